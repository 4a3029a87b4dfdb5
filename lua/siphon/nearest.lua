--- The nearest known word to a mistyped one, for every "did you mean".

local nearest = {}

--- How many single edits (insert, remove, replace, swap two neighbours) lead from a to b.
function nearest.distance(a, b)
  local before_last, last = nil, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + same)
      if before_last and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before_last[j - 2] + 1)
      end
    end
    before_last, last = last, row
  end
  return last[#b]
end

--- The candidate nearest to `word`, or nil when none is near enough to be what was meant (one edit for each
-- three letters, two at least). `candidates` is a list of strings.
function nearest.word(word, candidates)
  local best, best_distance = nil, math.max(2, #word // 3) + 1
  for _, candidate in ipairs(candidates) do
    local distance = nearest.distance(word, candidate)
    local closer = distance < best_distance or (distance == best_distance and best and candidate < best)
    if closer and distance < math.max(#word, #candidate) then
      best, best_distance = candidate, distance
    end
  end
  return best
end

--- "; did you mean 'x'?", or "" when nothing is near.
function nearest.hint(word, candidates)
  local best = nearest.word(tostring(word), candidates)
  return best and ("; did you mean '%s'?"):format(best) or ""
end

local FEW = 6

--- The nearest, or all candidates when there are only a few of them: "; there are 'a' and 'b'".
function nearest.choices(word, candidates)
  local hint = nearest.hint(word, candidates)
  if hint ~= "" or #candidates == 0 or #candidates > FEW then return hint end
  local sorted = table.move(candidates, 1, #candidates, 1, {})
  table.sort(sorted)
  return "; there is " .. table.concat(sorted, ", ")
end

--- The keys of a table as a sorted list of strings.
function nearest.keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = tostring(key) end
  table.sort(keys)
  return keys
end

return nearest
