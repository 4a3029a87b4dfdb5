"""A terminal's screen (tests/support/screen.py) as an SVG picture: text stays text, each run as wide as its columns, so
that it looks the same whatever monospaced font there is; the blocks of a bar are drawn."""
from html import escape

WIDTH, HEIGHT, MARGIN = 8.4, 19, 14
COLOURS = ["#5c6370", "#f47067", "#8ddb8c", "#f0c674", "#6cb6ff", "#dcbdfb", "#76d7e0", "#d7dce5"]
BACKGROUND, FOREGROUND, DIM = "#161b22", "#d7dce5", "#8b949e"
EIGHTHS = dict(zip("▏▎▍▌▋▊▉█", range(1, 9)))


def colour_of(style):
    colour, _, _, dim = style
    return COLOURS[colour] if colour is not None else DIM if dim else FOREGROUND


def number(value):
    return ("%.1f" % value).rstrip("0").rstrip(".")


def runs(line):
    """(column, text, style) for each stretch of one style; single blanks belong to it, more end it."""
    found = []
    for column in sorted(line):
        char, style = line[column]
        if char == " ":
            continue
        last = found[-1] if found else None
        end = last[0] + len(last[1]) if last else -9
        block = char in EIGHTHS or char == "░"
        was_block = last and (last[1][-1] in EIGHTHS or last[1][-1] == "░")
        if last and last[2] == style and column - end <= (0 if block else 1) and bool(was_block) == block:
            found[-1] = (last[0], last[1] + " " * (column - end) + char, style)
        else:
            found.append((column, char, style))
    return found


def draw_blocks(column, text, top, colour):
    """The bar as two rectangles: all of it, pale, and what is full of it."""
    full = sum(EIGHTHS.get(char, 0) for char in text) / 8
    rectangle = '<rect x="%s" y="%s" width="%s" height="13" fill="%s"%s/>'
    place = number(MARGIN + column * WIDTH), number(top + 3)
    return [rectangle % (*place, number(wide * WIDTH), colour, pale)
            for wide, pale in ((len(text), ' opacity=".25"'), (full, ""))]


def picture(screen, rows, columns, title):
    """rows: the lines of the screen to show."""
    wide, high = 2 * MARGIN + columns * WIDTH, 2 * MARGIN + len(rows) * HEIGHT
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" role="img" aria-label="%s">' % (
        number(wide), number(high), number(wide), escape(title)),
        "<title>%s</title>" % escape(title),
        '<rect width="100%%" height="100%%" rx="8" fill="%s"/>' % BACKGROUND,
        '<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="14" '
        'fill="%s" xml:space="preserve">' % FOREGROUND]
    for place, row in enumerate(rows):
        top = MARGIN + place * HEIGHT
        for column, text, style in runs(screen.lines[row]):
            colour = colour_of(style)
            if text[0] in EIGHTHS or text[0] == "░":
                out += draw_blocks(column, text, top, "#6cb6ff")
                continue
            out.append('<text x="%s" y="%s" textLength="%s"%s%s>%s</text>' % (
                number(MARGIN + column * WIDTH), number(top + 14), number(len(text) * WIDTH),
                "" if colour == FOREGROUND else ' fill="%s"' % colour, ' font-weight="bold"' if style[2] else "",
                escape(text, quote=False)))
    return "\n".join(out) + "\n</g></svg>\n"
