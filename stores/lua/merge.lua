-- Project committed steps onto a case's hash. Bodies are opaque: nothing here decodes them.
-- KEYS[1] the case's hash
-- ARGV    ttl in seconds, version, updated_at, count of fields, then field, value, version for each
-- Returns 0 if the case is not here (a partial copy must not begin), else 1.
local key = KEYS[1]
if redis.call('EXISTS', key) == 0 then
    return 0
end
local at = 5
for _ = 1, tonumber(ARGV[4]) do
    local field, value, version = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
    local have = tonumber(redis.call('HGET', key, 'v:' .. field) or '0')
    if version > have then
        redis.call('HSET', key, field, value, 'v:' .. field, version)
    end
    at = at + 3
end
if tonumber(ARGV[2]) > tonumber(redis.call('HGET', key, 'version')) then
    redis.call('HSET', key, 'version', ARGV[2], 'updated_at', ARGV[3])
end
redis.call('EXPIRE', key, ARGV[1])
return 1
