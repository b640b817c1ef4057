-- Payloads are cut into pieces of at most 63 bytes while they are short: a hash with longer values
-- takes several times the memory. `in`, `in1`, `in2`... joined are the payload. (A listpack's header grows at 64.)
local PIECE, PIECED = 63, 512

-- Appends the payload's field names and values to `fields`; '' = none.
local function add_payload(fields, name, value)
  if value == '' then return end
  local n, size = #fields, #value
  if size <= PIECE or size > PIECED then
    fields[n + 1], fields[n + 2] = name, value
    return
  end
  for first = 1, size, PIECE do
    fields[n + 1] = first == 1 and name or name .. string.char(48 + (first - 1) / PIECE) -- 8 at most
    fields[n + 2] = string.sub(value, first, first + PIECE - 1)
    n = n + 2
  end
end

local payload = { add = add_payload }
