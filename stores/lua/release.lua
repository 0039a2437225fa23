-- Give a lease back, if it is still the caller's.
-- KEYS[1] the lease
-- ARGV    "TOKEN:HOLDER"
-- Returns 1, or 0 where the lease has expired or is another's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
return redis.call('DEL', KEYS[1])
