-- Put a whole case, unless a newer copy is here already.
-- KEYS[1] the case's hash; KEYS[2] the highest token of its writers
-- ARGV    ttl in seconds, the case's own ttl (or ''), ttl of a closed case if it is closed (else
--         ''), the writer's token (or ''), how long to remember that, version, then field, value...
-- Returns 'done'; 'newer' if that is here; or, with nothing changed, 'lease lost' and the newest
-- token.
local key, fence_key = KEYS[1], KEYS[2]
local ttl, own_ttl, closed_ttl = ARGV[1], ARGV[2], ARGV[3]
local token, remember, version = ARGV[4], ARGV[5], tonumber(ARGV[6])

if token ~= '' then
    local newest = redis.call('GET', fence_key)
    if newest and tonumber(token) < tonumber(newest) then
        return {'lease lost', newest}
    end
    redis.call('SET', fence_key, token, 'EX', remember)
end
-- Whatever else lies under the key, or in its version, is replaced.
local found = redis.pcall('HMGET', key, 'version', 'ttl')
local have = tonumber(found[1]) or -1
if have > version then
    return {'newer'}
end
-- The case's own ttl outlives the copy's replacement.
if own_ttl == '' and tonumber(found[2]) then
    own_ttl = found[2]
end
-- A DEL of nothing would let the rest in, also where the server's memory is full.
if redis.call('EXISTS', key) == 1 then
    redis.call('DEL', key)
end
for place = 7, #ARGV, 2 do
    redis.call('HSET', key, ARGV[place], ARGV[place + 1])
end
if own_ttl ~= '' then
    redis.call('HSET', key, 'ttl', own_ttl)
end
if closed_ttl ~= '' then
    redis.call('EXPIRE', key, closed_ttl)
else
    redis.call('EXPIRE', key, own_ttl ~= '' and own_ttl or ttl)
end
return {'done'}
