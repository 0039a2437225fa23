-- Project committed steps onto a case's hash. Bodies are opaque: nothing here decodes them.
-- KEYS[1] the case's hash
-- ARGV    ttl in seconds, 1 if a step closes the case, updated_at, count of steps, then for each
--         step: its field, its version, count of its other fields, then field, value for each
-- A step that is here already is skipped: a late or repeated projection adds nothing twice.
-- Returns 0 if the case is not here (a partial copy must not begin), else 1.
local key = KEYS[1]
if redis.call('EXISTS', key) == 0 then
    return 0
end
local newest = tonumber(redis.call('HGET', key, 'version') or '0')
local at = 5
for _ = 1, tonumber(ARGV[4]) do
    local step, version, count = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    at = at + 3
    if redis.call('HSETNX', key, step, '') == 1 then
        redis.call('HSET', key, 'v:' .. step, version)
        for place = at, at + 2 * count - 2, 2 do
            local field = ARGV[place]
            local have = tonumber(redis.call('HGET', key, 'v:' .. field) or '0')
            if version > have then
                redis.call('HSET', key, field, ARGV[place + 1], 'v:' .. field, version)
            end
        end
        if version > newest then
            newest = version
            redis.call('HSET', key, 'version', version, 'updated_at', ARGV[3])
        end
    end
    at = at + 2 * count
end
-- A closed case keeps its short life, whatever comes late.
if ARGV[2] == '1' then
    redis.call('HSET', key, 'closed', '1')
    redis.call('EXPIRE', key, ARGV[1])
elseif redis.call('HEXISTS', key, 'closed') == 0 then
    redis.call('EXPIRE', key, ARGV[1])
end
return 1
