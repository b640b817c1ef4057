-- The scripts run inside Redis (Lua 5.1 with redis, KEYS, ARGV); includes are joined before them,
-- so each file sees the tables of the libraries that it names.
std = "lua51"
globals = {}
read_globals = { "redis", "KEYS", "ARGV", "cjson", "cmsgpack" }
max_line_length = false
unused = true
-- A library's one table is defined for others, and used where it was not defined.
files["lua/lib"] = { ignore = { "211/[a-z_]+", "211/NOW", "211/STAMP", "211/TAG" } }
local libs = {
  "go_on", "keys", "belongs", "checkup", "mends", "families", "batch", "record", "payload", "new_job", "options", "chunks", "score",  "index", "homes", "take", "expiry", "lanes", "parked", "handoff", "place", "notice", "finish", "again", "scheduled", "start",
  "hold", "idle", "promote", "quarantine", "recover", "cleanup", "tend", "NOW", "STAMP", "TAG",
}
for _, name in ipairs(libs) do table.insert(read_globals, name) end
