-- include: keys
-- At maxmemory the server refuses a script's first write when that needs memory, and lets the rest
-- through once the script has written. So scripts that must go on then (workers renew leases and
-- report, records are purged) begin with a write that needs none.

redis.call('ZREM', keys.parked(), '')
