-- GETs of carts, for wrk: wrk … -s cart_get.lua URL -- FILE [fresh]
--
-- FILE has a path and an entity tag a line. With `fresh` each request says that the client has the newest one already
-- (If-None-Match), so that the answer is 304.

local threads = 0

function setup(thread)
    threads = threads + 1
    thread:set("thread_number", threads)
end

local requests, turn = {}, 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local path, tag = line:match("(%S+) (%S+)")
        local condition = arguments[2] == "fresh" and "If-None-Match: " .. tag .. "\r\n" or ""
        requests[#requests + 1] = "GET " .. path .. " HTTP/1.1\r\nHost: bench\r\n" .. condition .. "\r\n"
    end
    turn = thread_number * 7919
end

function request()
    turn = turn + 1
    return requests[turn % #requests + 1]
end

dofile((debug.getinfo(1, "S").source:sub(2):match("(.*/)") or "") .. "summary.lua")
