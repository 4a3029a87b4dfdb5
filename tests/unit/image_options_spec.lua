-- What may be asked of the Glance image, by options and on the command line. No network.

local openstack = require "siphon.cli.openstack"
local requests = require "siphon.request"

local ID = "0A0A0A0A-0000-4000-8000-000000000000"

describe("the options about the Glance image", function()
  local function new(over)
    local options = { source = "p/i", target = "glance:n" }
    for key, value in pairs(over) do options[key] = value or nil end
    return requests.new(options, "spec")
  end

  local function refused(over, ...)
    local request, err = new(over)
    assert.is_nil(request)
    assert.equal("usage", err.code)
    for _, expected in ipairs { ... } do assert.truthy(err.message:find(expected, 1, true), err.message) end
  end

  it("are taken as they are", function()
    local request = assert(new { properties = { a = "b" }, tags = { "t" }, stores = { "s" }, visibility = "shared",
      protected = true, hidden = false, min_disk = 1, min_ram = 0, owner = "o" })
    assert.same({ a = "b" }, request.properties)
    assert.same({ "raw", "bare" }, { request.disk_format, request.container_format })
  end)

  it("are refused when Glance could not mean them", function()
    refused({ visibility = "publick" }, "did you mean 'public'?")
    refused({ min_disk = -1 }, "--min-disk")
    refused({ min_ram = 1 << 40 }, "--min-ram")
    refused({ properties = { status = "active" } }, "'status' is no property")
    refused({ properties = { os_glance_import_task = "x" } }, "Glance's own")
    refused({ properties = { [""] = "x" } }, "NAME=VALUE")
    refused({ tags = { "" } }, "--tag")
    refused({ existing_image = ID, image_id = ID }, "give one of them")
    refused({ hash = "sha51" }, "did you mean 'sha512'?")
    refused({ properties_from = "vm1" }, "--properties-from 'vm1' is not a UUID")
    refused({ existing_image = "7" }, "--existing-image '7' is not a UUID")
  end)

  it("raise when they are of the wrong type", function()
    for _, over in ipairs { { tags = { 1 } }, { properties = { a = 1 } }, { min_disk = 1.5 }, { tags = "x" } } do
      assert.is_false(pcall(new, over))
    end
  end)

  it("are for Glance images only", function()
    for option, value in pairs { tags = { "t" }, protected = true, existing_image = ID, stores = { "s" }, hash = "sha512",
      properties_from = ID } do
      refused({ target = "p/copy", [option] = value }, option, "'p/copy'")
    end
  end)

  it("need no target when the record is there, whose formats count then", function()
    local request = assert(new { target = false, existing_image = ID })
    assert.equal(ID:lower(), request.existing_image)
    assert.equal("glance", request.target.kind)
    assert.is_false(request.target_named)
    assert.is_nil(request.disk_format)
    assert.is_true(assert(new { existing_image = ID }).target_named)
  end)

  it("come from the command line", function()
    local parser = require "siphon.cli.options".parser("spec", "")
    openstack.image(parser)
    openstack.cloud(parser)
    local function parse(...)
      return openstack.request(parser:parse { ... }, { target = "glance:n" })
    end
    local request = parse("--property", "a=b=c", "--property=d=", "--tag", "x", "--tag", "y", "--min-disk", "7", "--protected",
      "--store", "s", "--os-cloud", "prod")
    assert.same({ a = "b=c", d = "" }, request.properties)
    assert.same({ "x", "y" }, request.tags)
    assert.same({ "s" }, request.stores)
    assert.same({ 7, true, "prod" }, { request.min_disk, request.protected, request.os_cloud })
    local bare = parse()
    assert.same({}, { bare.properties, bare.tags, bare.stores, bare.min_disk })
    assert.is_false(pcall(parse, "--property", "novalue"))
    assert.is_false(pcall(parse, "--min-disk", "7.5"))
    assert.is_false(pcall(openstack.request, parser:parse {}, {}))
  end)
end)
