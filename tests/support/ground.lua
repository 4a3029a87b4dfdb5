--- What specs of jobs stand on: a volume, and the certainty that nothing but it is there after each test, and
-- nothing at all after the last.

local bed = require "support.bed"
local fences = require "support.fences"

local Ground = {}
Ground.__index = Ground

local ground = {}

--- Makes the volume: { spec, name, md5 }. options: as for bed.volume (default: 32 MiB, 16 of them written).
function ground.new(options)
  local self = setmetatable({ before = bed.inventory(), fences = fences.standing() }, Ground)
  self.spec, self.name = bed.volume(options or { size = 32, data = { { 0, 12 }, { 16, 4 } } })
  self.md5 = bed.md5(self.spec)
  self.with_volume = bed.holdings()
  return self
end

--- Raises when a test left something behind.
function Ground:assert_clean()
  bed.assert_unchanged(self.with_volume, bed.holdings)
end

--- Removes the volume, and bars nobody any more who was barred since; raises when anything else is left.
function Ground:clear()
  bed.remove(self.spec)
  fences.lift(self.fences)
  bed.assert_unchanged(self.before)
end

return ground
