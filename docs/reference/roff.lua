--- Text for the manual pages.

local roff = {}

--- The text with what roff would take for its own made plain.
function roff.text(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("^([.'])", "\\&%1"):gsub("\n([.'])", "\n\\&%1"))
end

--- The lines of a comment: paragraphs, items ("- ..."), and what is laid out by hand, which is indented.
function roff.lines(lines)
  local out, literal = {}, false
  for _, line in ipairs(lines) do
    -- Indented lines that begin no item are examples or tables, laid out by hand.
    local by_hand = line:find "^  " and (literal or line:find "^  %s*%S+.-  " or line:find "[({=]")
    if by_hand and not literal then out[#out + 1] = ".nf" end
    if literal and not by_hand then out[#out + 1] = ".fi" end
    literal = by_hand and true or false
    local item = not by_hand and line:match "^%- (.*)$"
    if item then
      out[#out + 1] = ".IP \\(bu 2\n" .. roff.text(item)
    elseif line == "" then
      out[#out + 1] = literal and "" or ".PP"
    elseif line:find "^Errors:" then
      out[#out + 1] = ".br\n" .. roff.text(line)
    else
      out[#out + 1] = roff.text(by_hand and line or (line:gsub("^%s+", "")))
    end
  end
  if literal then out[#out + 1] = ".fi" end
  return table.concat(out, "\n")
end

return roff
