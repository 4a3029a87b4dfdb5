--- HTML as nested tables: what is a string is text, and escaped; only what `tag` made is markup.

local html = {}

local Markup = {}
Markup.__index = Markup

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local REPLACEMENT = "\u{FFFD}"

-- Text that is UTF-8: each byte that is none becomes a replacement character.
local function mend(text)
  local from = 1
  while true do
    local _, bad = utf8.len(text, from)
    if not bad then return text end
    text = text:sub(1, bad - 1) .. REPLACEMENT .. text:sub(bad + 1)
    from = bad + #REPLACEMENT
  end
end

--- The text as it may stand between tags and in a quoted attribute, without control characters.
function html.escape(text)
  text = mend(tostring(text)):gsub("[%z\1-\8\11\12\14-\31\127]", REPLACEMENT)
  return (text:gsub("[&<>\"']", ENTITIES))
end

local VOID = { meta = true, br = true, hr = true }

local function append(parts, child)
  if getmetatable(child) == Markup then
    parts[#parts + 1] = child.text
  elseif type(child) == "table" then
    for _, inner in ipairs(child) do append(parts, inner) end
  elseif child then
    parts[#parts + 1] = html.escape(child)
  end
end

--- An element: html.tag("p", { class = "x" }, child, ...). A child is text, an element, a list of these, or false.
function html.tag(name, attributes, ...)
  local parts, keys = { "<", name }, {}
  for key in pairs(attributes) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do
    if attributes[key] then parts[#parts + 1] = (' %s="%s"'):format(key, html.escape(attributes[key])) end
  end
  parts[#parts + 1] = ">"
  if not VOID[name] then
    local children = table.pack(...)
    for i = 1, children.n do append(parts, children[i] or false) end
    parts[#parts + 1] = "</" .. name .. ">"
  end
  return setmetatable({ text = table.concat(parts) }, Markup)
end

--- The style sheet of the page, which is ours and stands as it is.
function html.style(text)
  return setmetatable({ text = "<style>\n" .. text .. "</style>" }, Markup)
end

--- The whole document.
function html.document(head, body)
  return '<!DOCTYPE html>\n<html lang="en">\n' .. html.tag("head", {}, head).text .. "\n"
    .. html.tag("body", {}, body).text .. "\n</html>\n"
end

return html
