-- Project committed steps onto a case's hash. Bodies are opaque: nothing here decodes them.
-- KEYS[1] the case's hash; KEYS[2] the highest token of its writers
-- ARGV    ttl in seconds, ttl of a closed case if a step closes it (else ''), the writer's token
--         (or ''), how long to remember that, schema version, count of messages to keep,
--         updated_at, count of steps, then for each step: its field, its version, its owner, count
--         of its other fields, then for each: field, owner of the section ('' for others), value
-- A step that is here already is skipped: a late or repeated projection adds nothing twice.
-- Returns 'done'; 'not here' without a copy (a partial one must not begin); or, with nothing
-- changed, 'lease lost' and the newest token, or 'foreign write', writer, section and its owner.
local key, fence_key = KEYS[1], KEYS[2]
local ttl, closed_ttl, token, remember = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local schema_version, keep, updated_at = ARGV[5], tonumber(ARGV[6]), ARGV[7]

-- The steps, read once: both rounds below go through them.
local steps, at = {}, 9
for _ = 1, tonumber(ARGV[8]) do
    local step = {field = ARGV[at], version = tonumber(ARGV[at + 1]), owner = ARGV[at + 2]}
    local last = at + 3 + 3 * tonumber(ARGV[at + 3])
    for place = at + 4, last, 3 do
        table.insert(step, {ARGV[place], ARGV[place + 1], ARGV[place + 2]})
    end
    table.insert(steps, step)
    at = last + 1
end

local function starts(text, with)
    return string.sub(text, 1, #with) == with
end

-- First round: is every writer the owner of its sections? A section's owner is who wrote it first.
local owners = {}
local function check_owner(step, field, declared)
    local name = string.sub(field, #'section:' + 1)
    local owner = owners[name] or redis.call('HGET', key, 'o:' .. name) or declared
    owners[name] = owner
    if step.owner ~= owner then
        return {'foreign write', step.owner, name, owner}
    end
end

local function check_owners()
    for _, step in ipairs(steps) do
        for _, part in ipairs(step) do
            local foreign = starts(part[1], 'section:') and check_owner(step, part[1], part[2])
            if foreign then
                return foreign
            end
        end
    end
end

-- Second round: the writing.
local function put(field, value, version)
    local have = tonumber(redis.call('HGET', key, 'v:' .. field) or '0')
    if version > have then
        redis.call('HSET', key, field, value, 'v:' .. field, version)
    end
end

local function keep_newest_messages()
    local messages = {}
    for _, field in ipairs(redis.call('HKEYS', key)) do
        if starts(field, 'message:') then
            table.insert(messages, field)
        end
    end
    table.sort(messages)
    for place = 1, #messages - keep do
        redis.call('HDEL', key, messages[place])
        redis.call('HINCRBY', key, 'pruned', 1)
    end
end

local function add(step)
    redis.call('HSET', key, 'v:' .. step.field, step.version)
    local said = false
    for _, part in ipairs(step) do
        if starts(part[1], 'message:') then
            redis.call('HSET', key, part[1], part[3])
            redis.call('HINCRBY', key, 'said', 1)
            said = true
        else
            put(part[1], part[3], step.version)
        end
    end
    if said then
        keep_newest_messages()
    end
end

if token ~= '' then
    local newest = redis.call('GET', fence_key)
    if newest and tonumber(token) < tonumber(newest) then
        return {'lease lost', newest}
    end
end
local head = redis.call('HMGET', key, 'version', 'schema_version', 'ttl', 'closed')
local newest = tonumber(head[1])
local foreign = newest and head[2] == schema_version and check_owners()
if foreign then
    return foreign
end
if token ~= '' then
    redis.call('SET', fence_key, token, 'EX', remember)
end
-- A copy of another schema, or without a version, cannot take these steps, and without them it
-- would be behind.
if not newest or head[2] ~= schema_version then
    redis.call('DEL', key)
    return {'not here'}
end

for _, step in ipairs(steps) do
    if redis.call('HSETNX', key, step.field, '') == 1 then
        add(step)
        if step.version > newest then
            newest = step.version
            redis.call('HSET', key, 'version', newest, 'updated_at', updated_at)
        end
    end
end
for name, owner in pairs(owners) do
    redis.call('HSETNX', key, 'o:' .. name, owner)
end
-- A closed case keeps its short life, whatever comes late.
if closed_ttl ~= '' then
    redis.call('HSET', key, 'closed', '1')
    redis.call('EXPIRE', key, closed_ttl)
elseif not head[4] then
    redis.call('EXPIRE', key, head[3] or ttl)
end
return {'done'}
