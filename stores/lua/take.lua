-- Take from several limits at once, or from none (GCRA: a limit is the time at which it is whole).
-- KEYS[i] a limit, as that time in microseconds
-- ARGV    cost, then for each limit: microseconds that one takes to come back, how many at once
-- Returns 0, or the longest wait in microseconds. A limit that is whole again is no key any more.
local cost = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local whole_at, longest = {}, 0
for place = 1, #KEYS do
    local interval, at_once = tonumber(ARGV[2 * place]), tonumber(ARGV[2 * place + 1])
    local found = redis.pcall('GET', KEYS[place])
    local before = type(found) == 'string' and tonumber(found) or now
    -- No debt is beyond an empty limit: not after a rate was changed, nor a clock set back.
    before = math.min(math.max(before, now), now + interval * at_once)
    whole_at[place] = before + interval * cost
    longest = math.max(longest, whole_at[place] - interval * at_once - now)
end
if longest > 0 then
    return longest
end
for place = 1, #KEYS do
    local lives = math.ceil((whole_at[place] - now) / 1000)
    -- As text by hand: Lua would write so large a number with an exponent.
    redis.call('SET', KEYS[place], string.format('%.0f', whole_at[place]), 'PX', lives)
end
return 0
