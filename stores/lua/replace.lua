-- Put a whole case, unless a newer copy is here already.
-- KEYS[1] the case's hash
-- ARGV    ttl in seconds, version, then field, value, ...
local key = KEYS[1]
local have = tonumber(redis.call('HGET', key, 'version') or '-1')
if have > tonumber(ARGV[2]) then
    return 0
end
redis.call('DEL', key)
redis.call('HSET', key, unpack(ARGV, 3))
redis.call('EXPIRE', key, ARGV[1])
return 1
