-- Take a lease that is free, or one's own again.
-- KEYS[1] the lease, as "TOKEN:HOLDER"; KEYS[2] the last token
-- ARGV    holder, ttl in milliseconds, how long to remember the token in seconds
-- Returns the token; 0 where someone else holds the lease.
-- A token is above the last one, and never below the server's clock in microseconds: tokens go on
-- rising where the last one was forgotten, as no server gives out more than one in a microsecond.
local held = redis.pcall('GET', KEYS[1])
local holder = type(held) == 'string' and string.match(held, '^%d+:(.*)$')
if holder and holder ~= ARGV[1] then
    return 0
end
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000000 + tonumber(time[2])
local found = redis.pcall('GET', KEYS[2])
local last = type(found) == 'string' and tonumber(found) or 0
local token = math.max(last + 1, clock)
-- As text by hand: Lua would write so large a number with an exponent.
local text = string.format('%.0f', token)
redis.call('SET', KEYS[1], text .. ':' .. ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], text, 'EX', ARGV[3])
return token
