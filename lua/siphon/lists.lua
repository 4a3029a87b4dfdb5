--- What one asks of a list.

local lists = {}

--- Whether the list has the item.
function lists.has(list, wanted)
  for _, item in ipairs(list) do
    if item == wanted then return true end
  end
  return false
end

return lists
