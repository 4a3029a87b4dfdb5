-- Each example runs, on the bed, and does what its header says.
local bed = require "support.bed"
local command = require "support.command"

describe("examples/", function()
  it("two_at_once.lua makes two images", function()
    local first, second = bed.name "one", bed.name "two"
    for _, name in ipairs { first, second } do command.shell("rbd create -s 8M volumes/" .. name) end
    finally(function()
      for _, name in ipairs { first, second } do command.shell("rbd rm --no-progress volumes/" .. name) end
    end)
    local result = command.run { "run", "examples/two_at_once.lua", "volumes", first, second }
    assert.equal("", result.err)
    assert.equal(0, result.code)
    local ids = {}
    for id in result.out:gmatch "([%x-]+)\trbd://" do
      ids[#ids + 1] = id
      command.shell(("curl -sSf -X DELETE %s/v2/images/%s"):format(bed.url, id))
    end
    assert.equal(2, #ids)
  end)

  it("two_at_once.lua undoes the one when the other fails", function()
    local first = bed.name "one"
    command.shell("rbd create -s 8M volumes/" .. first)
    finally(function() command.shell("rbd rm --no-progress volumes/" .. first) end)
    local result = command.run { "run", "examples/two_at_once.lua", "volumes", first, "missing" }
    assert.equal(70, result.code)
    assert.matches("there is no image 'missing'", result.err)
    assert.equal("", command.shell("rbd snap ls volumes/" .. first))
    assert.equal("", command.shell("rbd ls images"))
  end)
end)
