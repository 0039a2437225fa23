-- Give a lease its whole time again, if it is still the caller's.
-- KEYS[1] the lease; KEYS[2] the last token
-- ARGV    "TOKEN:HOLDER", ttl in milliseconds, how long to remember the token in seconds
-- Returns 1, or 0 where the lease has expired or is another's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
