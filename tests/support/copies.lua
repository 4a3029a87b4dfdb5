--- Volumes and what was copied from them, all of which is removed at the end of a spec.

local luassert = require "luassert"

local bed = require "support.bed"
local command = require "support.command"

local Copies = {}
Copies.__index = Copies

local copies = {}

function copies.new()
  return setmetatable({ specs = {}, images = {} }, Copies)
end

--- The RBD image is removed at the end, before those that came earlier.
function Copies:expect(spec)
  self.specs[#self.specs + 1] = spec
end

--- The Glance image is deleted at the end.
function Copies:expect_image(id)
  self.images[#self.images + 1] = id
end

--- Makes a volume (options: see bed.volume); returns its spec and its name.
function Copies:volume(options)
  local spec, name = bed.volume(options)
  self:expect(spec)
  return spec, name
end

--- Copies with --json, which has to succeed; returns job.done and all events.
function Copies:copy(source, target, ...)
  if not target:find "^glance:" then self:expect(target) end
  local result = command.run { "copy", source, target, "--json", ... }
  luassert.equal("", result.err)
  luassert.equal(0, result.code)
  local events = command.events(result.out)
  local done = events[#events]
  luassert.equal("job.done", done.event)
  if type(done.image_id) == "string" then self:expect_image(done.image_id) end
  return done, events
end

function Copies:clean()
  for _, id in ipairs(self.images) do bed.delete_glance_image(id) end
  for i = #self.specs, 1, -1 do bed.remove(self.specs[i]) end
end

return copies
