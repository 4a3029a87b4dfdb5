--- Text for the manual pages.

local roff = {}

--- The text with what roff would take for its own made plain.
function roff.text(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("^([.'])", "\\&%1"):gsub("\n([.'])", "\n\\&%1"))
end

return roff
