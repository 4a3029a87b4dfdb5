"""What a terminal shows of the bytes that were written to it: as much of xterm as siphon and readline use."""
import re
import unicodedata

SEQUENCE = re.compile(r"\x1b(?:\[([0-9;?]*)([@-~])|\][^\x07]*\x07|[=>78])")
PLAIN = (None, None, False, False)  # colour, background, bold, dim


def columns_of(char):
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


class Screen:
    """rows of cells (character, style); cells are a dict by column, so that a line may be of any length."""

    def __init__(self, rows=40, columns=100):
        self.columns, self.height = columns, rows
        self.lines, self.row, self.column, self.style = [{}], 0, 0, PLAIN
        self.unknown = set()

    def feed(self, text):
        at = 0
        while at < len(text):
            match = SEQUENCE.match(text, at)
            if match:
                self.control(match.group(1), match.group(2))
                at = match.end()
                continue
            self.put(text[at])
            at += 1

    def down(self):
        self.row += 1
        while len(self.lines) <= self.row:
            self.lines.append({})

    def put(self, char):
        if char == "\n":
            self.down()
        elif char == "\r":
            self.column = 0
        elif char == "\b":
            self.column = max(0, self.column - 1)
        elif char >= " ":
            if self.column + columns_of(char) > self.columns:
                self.column = 0
                self.down()
            self.lines[self.row][self.column] = (char, self.style)
            self.column += columns_of(char)

    def erase(self, keep):
        line = self.lines[self.row]
        for column in [one for one in line if not keep(one)]:
            del line[column]

    def control(self, parameters, kind):
        if kind is None or parameters.startswith("?"):
            return
        numbers = [int(one or 0) for one in parameters.split(";")]
        count = max(1, numbers[0])
        if kind == "m":
            self.paint(numbers)
        elif kind == "A":
            self.row = max(0, self.row - count)
        elif kind == "B":
            for _ in range(count):
                self.down()
        elif kind == "C":
            self.column = min(self.columns - 1, self.column + count)
        elif kind == "D":
            self.column = max(0, self.column - count)
        elif kind == "G":
            self.column = count - 1
        elif kind == "K":
            self.erase((lambda one: one < self.column) if numbers[0] == 0 else (lambda one: False))
        elif kind == "J":
            self.erase(lambda one: one < self.column)
            del self.lines[self.row + 1:]
        elif kind in "P@":
            shift = -count if kind == "P" else count
            line = self.lines[self.row]
            self.lines[self.row] = {
                (one if one < self.column else one + shift): cell for one, cell in line.items()
                if one < self.column or kind == "@" or one >= self.column + count}
        else:
            self.unknown.add(kind)

    def paint(self, numbers):
        colour, background, bold, dim = self.style
        for number in numbers:
            if number == 0:
                colour, background, bold, dim = PLAIN
            elif number == 1:
                bold = True
            elif number == 2:
                dim = True
            elif 30 <= number <= 37:
                colour = number - 30
            elif number == 39:
                colour = None
            elif 40 <= number <= 47:
                background = number - 40
        self.style = (colour, background, bold, dim)

    def text(self):
        out = []
        for line in self.lines:
            row, column = "", 0
            for at in sorted(line):
                row += " " * (at - column) + line[at][0]
                column = at + columns_of(line[at][0])
            out.append(row.rstrip())
        return "\n".join(out).rstrip("\n")
