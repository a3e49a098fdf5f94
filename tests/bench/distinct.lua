-- Every request asks for a room that nobody has asked for before.
local number = 0
local path = wrk.path
request = function()
  number = number + 1
  return wrk.format("GET", path .. number)
end
