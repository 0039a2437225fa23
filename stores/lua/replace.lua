-- Put a whole case, unless a newer copy is here already.
-- KEYS[1] the case's hash
-- ARGV    ttl in seconds, version, then field, value, ...
local key = KEYS[1]
-- Whatever else lies under the key, or in its version, is replaced.
local found = redis.pcall('HGET', key, 'version')
local have = type(found) == 'string' and tonumber(found) or -1
if have > tonumber(ARGV[2]) then
    return 0
end
-- A DEL of nothing would let the rest in, also where the server's memory is full.
if redis.call('EXISTS', key) == 1 then
    redis.call('DEL', key)
end
for place = 3, #ARGV, 2 do
    redis.call('HSET', key, ARGV[place], ARGV[place + 1])
end
redis.call('EXPIRE', key, ARGV[1])
return 1
