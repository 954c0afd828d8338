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
    local roll, range = math.random(), 1
    while zipf[range] < roll do range = range + 1 end
    -- A version 7 UUID, as the service itself makes them: the time leads.
    local time = string.format("%012x", began * 1000 + made)
    local id = string.format("%s-%s-7%03x-8%03x-%s%04x", time:sub(1, 8), time:sub(9), thread_number,
        made % 4096, run, math.floor(made / 4096) % 65536)
    return {id = id, range = range, lines = {}, articles = {}, is_new = true}
end

-- What follows a cart's id in a request. Few of them exist, so each is put together once and a request is one
-- concatenation: what the generator costs is taken from what it measures.
local function tail(path, body)
    local head = path .. " HTTP/1.1\r\nHost: bench\r\n"
    if not body then return head .. "\r\n" end
    return head .. "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

local function kept(make)
    return setmetatable({}, {__index = function(made_before, key)
        made_before[key] = make(key)
        return made_before[key]
    end})
end

local function adding(sku, name, price)
    return tail("/items", '{"sku":"' .. sku .. '","name":"' .. name .. '","quantity":1,"unitPrice":{"amountMinor":'
        .. price .. ',"currency":"EUR"}}')
end

local create, checkout = tail("", '{"currency":"EUR"}'), tail("/checkout", "{}")
local add = kept(function(number) return adding("sku-" .. number, "Article number " .. number, 100 + number * 37) end)
local add_filled = kept(function(number) return adding("sku-" .. number, "Article number " .. number, 359) end)
local add_hot = kept(function(number) return adding("hot-" .. number, "Hot article", 1999) end)
local set_hot = kept(function(number) return tail("/items/hot-" .. number, '{"quantity":1}') end)
local remove = kept(function(number) return tail("/items/sku-" .. number) end)
local set = kept(function(quantity)
    return kept(function(number) return tail("/items/sku-" .. number, '{"quantity":' .. quantity .. "}") end)
end)

local function send(method, id, rest)
    return method .. " /v1/carts/" .. id .. rest
end

local function mixed(cart)
    local roll, articles, lines = math.random(), cart.articles, cart.lines
    if #articles == 0 or roll < 0.70 then
        local number = math.random(cart.range)
        if not lines[number] then
            lines[number] = 0
            articles[#articles + 1] = number
        end
        lines[number] = lines[number] + 1
        return send("POST", cart.id, add[number])
    end
    local at = math.random(#articles)
    local number = articles[at]
    if roll < 0.85 then
        lines[number] = lines[number] % 9 + 1 -- another quantity than it has
        return send("PATCH", cart.id, set[lines[number]][number])
    elseif roll < 0.95 then
        lines[number] = nil
        table.remove(articles, at)
        return send("DELETE", cart.id, remove[number])
    end
    carts[turn] = new_cart()
    return send("POST", cart.id, checkout)
end

local function hot()
    turn = turn % 20 + 1
    if math.random() < 0.9 then return send("POST", hot_cart, add_hot[turn]) end
    return send("PATCH", hot_cart, set_hot[turn])
end

local function filled()
    turn = turn + 1
    local id, number = carts[turn % #carts + 1], math.random(count)
    if math.random() < 0.8 then return send("POST", id, add_filled[number]) end
    return send("PATCH", id, set[turn % 9 + 1][number])
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
    if mode == "new" then return send("PUT", new_cart().id, create) end
    turn = turn % #carts + 1
    local cart = carts[turn]
    if not cart.is_new then return mixed(cart) end
    cart.is_new = false
    return send("PUT", cart.id, create)
end

dofile((debug.getinfo(1, "S").source:sub(2):match("(.*/)") or "") .. "summary.lua")
