-- The documents' blocks do what they say: each is run, and what it prints compared with what is shown. What cannot be run
-- is marked in the document, and counted here.

local bed = require "support.bed"
local command = require "support.command"
local fences = require "support.fences"
local snippets = require "support.snippets"

-- Blocks that are not run, as the document says at each.
local NOT_RUN = { ["docs/operations.md"] = 3 }

-- Restarts Glance, and makes the cluster nearly full: not on a bed that others use.
describe("docs/operations.md", function()
  if os.getenv "SIPHON_SHARED_BED" then return end
  local path = "docs/operations.md"
  local before, barred, directory

  setup(function()
    before, barred = bed.holdings(), fences.standing()
    directory = snippets.directory()
  end)
  teardown(function()
    command.shell(("tests/testbed/testbed glance --dir %s; rm -rf %s"):format(bed.directory, directory))
    fences.lift(barred)
    bed.assert_unchanged(before, bed.holdings)
  end)

  local not_run = 0
  for _, section in ipairs(snippets.of(path)) do
    it(section.title, function()
      local problem = snippets.run(section, directory)
      assert.is_nil(problem, problem)
    end)
    for _, block in ipairs(section.blocks) do
      if block.not_run then not_run = not_run + 1 end
    end
  end

  it("has no other blocks that are not run", function()
    assert.equal(NOT_RUN[path], not_run)
  end)
end)
