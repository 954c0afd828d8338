-- What shoppers send to the command service, for wrk: wrk … -s cart_mix.lua URL -- MODE RUN COUNT [CART]
--
--   mix   COUNT separate carts per thread, of 1 to 20 different articles (Zipf): 70 % add, 15 % change a quantity,
--         10 % remove an article, 5 % check out, whereupon a new cart takes the place of the old one
--   hot   all connections on the one CART, which has the articles hot-1 … hot-20: 90 % add, 10 % set a quantity
--   new   every request creates a cart
--   filled  the carts whose ids are the lines of the file CART, each with the articles sku-1 … sku-COUNT: 80 % add,
--         20 % set a quantity
--
-- The carts of a thread take turns, so that a cart's next command comes after the answer to its last one, and none of
-- them should be refused. RUN makes the ids of one run differ from those of any other: eight hexadecimal digits.

local threads = 0

function setup(thread)
    threads = threads + 1
    thread:set("thread_number", threads)
end

local mode, run, count, carts, hot_cart
local turn, made, began = 0, 0, os.time()
local zipf = {}

local function new_cart()
    made = made + 1
    local roll, articles = math.random(), 1
    while zipf[articles] < roll do articles = articles + 1 end
    -- A version 7 UUID, as the service itself makes them: the time leads.
    local time = string.format("%012x", began * 1000 + made)
    local id = string.format("%s-%s-7%03x-8%03x-%s%04x", time:sub(1, 8), time:sub(9), thread_number,
        made % 4096, run, math.floor(made / 4096) % 65536)
    return {id = id, articles = articles, lines = {}, skus = {}, is_new = true}
end

local function send(method, path, body)
    if not body then return method .. " " .. path .. " HTTP/1.1\r\nHost: bench\r\n\r\n" end
    return method .. " " .. path .. " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: "
        .. #body .. "\r\n\r\n" .. body
end

local function line(sku, name, price)
    return '{"sku":"' .. sku .. '","name":"' .. name .. '","quantity":1,"unitPrice":{"amountMinor":' .. price
        .. ',"currency":"EUR"}}'
end

local function add(cart, number)
    local sku = "sku-" .. number
    if not cart.lines[sku] then
        cart.lines[sku] = 0
        cart.skus[#cart.skus + 1] = sku
    end
    cart.lines[sku] = cart.lines[sku] + 1
    return send("POST", "/v1/carts/" .. cart.id .. "/items", line(sku, "Article number " .. number, 100 + number * 37))
end

local function mixed(cart)
    local path, roll = "/v1/carts/" .. cart.id, math.random()
    if #cart.skus == 0 or roll < 0.70 then return add(cart, math.random(cart.articles)) end
    local at = math.random(#cart.skus)
    local sku = cart.skus[at]
    if roll < 0.85 then
        cart.lines[sku] = cart.lines[sku] % 9 + 1 -- another quantity than it has
        return send("PATCH", path .. "/items/" .. sku, '{"quantity":' .. cart.lines[sku] .. "}")
    elseif roll < 0.95 then
        cart.lines[sku] = nil
        table.remove(cart.skus, at)
        return send("DELETE", path .. "/items/" .. sku)
    end
    carts[turn] = new_cart()
    return send("POST", path .. "/checkout", "{}")
end

local function hot()
    turn = turn % 20 + 1
    local sku = "hot-" .. turn
    if math.random() < 0.9 then
        return send("POST", "/v1/carts/" .. hot_cart .. "/items", line(sku, "Hot article", 1999))
    end
    return send("PATCH", "/v1/carts/" .. hot_cart .. "/items/" .. sku, '{"quantity":1}')
end

local function filled()
    turn = turn + 1
    local path, number = "/v1/carts/" .. carts[turn % #carts + 1] .. "/items", math.random(count)
    if math.random() < 0.8 then return send("POST", path, line("sku-" .. number, "Article number " .. number, 359)) end
    return send("PATCH", path .. "/sku-" .. number, '{"quantity":' .. turn % 9 + 1 .. "}")
end

local function create(cart)
    cart.is_new = false
    return send("PUT", "/v1/carts/" .. cart.id, '{"currency":"EUR"}')
end

function init(arguments)
    mode, run, count, hot_cart = arguments[1], arguments[2], tonumber(arguments[3]), arguments[4]
    math.randomseed(tonumber(run, 16) + thread_number)
    local sum = 0
    for lines = 1, 20 do sum = sum + 1 / lines end
    for lines = 1, 20 do zipf[lines] = (zipf[lines - 1] or 0) + 1 / lines / sum end
    zipf[20] = 1
    carts = {}
    if mode == "filled" then
        for id in io.lines(hot_cart) do carts[#carts + 1] = id end
        turn = thread_number * 7919
    else
        for number = 1, count do carts[number] = new_cart() end
    end
end

function request()
    if mode == "hot" then return hot() end
    if mode == "filled" then return filled() end
    if mode == "new" then return create(new_cart()) end
    turn = turn % #carts + 1
    local cart = carts[turn]
    return cart.is_new and create(cart) or mixed(cart)
end

dofile((debug.getinfo(1, "S").source:sub(2):match("(.*/)") or "") .. "summary.lua")
