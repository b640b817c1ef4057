-- Submission numbers in chunks: those of one chunk share an entry of the index that says when records expire.

local CHUNK = 64

local chunks = { SIZE = CHUNK }
