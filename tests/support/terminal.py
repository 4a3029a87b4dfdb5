"""A person at a terminal: runs a command on a pty, types when what is waited for has appeared.

    terminal.py COMMAND [ARG...] <steps

Steps, one JSON list a line: ["type", text], ["expect", text], ["resize", rows, columns], ["signal", name], ["leave"],
["hang up"], ["look"], ["shows", regex], ["touch", path].
"expect" looks behind what was expected before, in the output without its escape sequences; "shows" goes from one drawing
of the screen to the next until one matches (^ and $: the ends of a line). "leave" is Ctrl-D until it
helps: while a line runs, the terminal keeps it for itself. Prints one JSON object: code (the exit
code), text (that output), raw, missing (what did not come), and screens: what the terminal showed at each "look" and
"shows", and at the end."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

sys.dont_write_bytecode = True  # nothing is left behind in the tree

from screen import Screen  # noqa: E402

PATIENCE = 90  # seconds for one step: the machine may be busy
ERASE = "\r\x1b[J"  # begins what is drawn anew
CUT = re.compile(r"\r?(?:\x1b(?:\[[0-9;?]*|\][^\x07]*)?)?\Z")  # of which the rest is still to come
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[@-~]|\x1b[=>]|\x1b\][^\x07]*\x07|\x07")


class Terminal:
    def __init__(self, command):
        self.raw, self.seen, self.ended = b"", 0, False
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self.screen, self.fed, self.screens = Screen(), 0, []
        self.resize(40, 100)

    def resize(self, rows, columns):
        while select.select([self.fd], [], [], 0)[0] and self.read(0):
            pass
        self.show()
        self.screen.columns = columns
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def drawings(self):
        """The screen after each drawing in what came since it was looked at."""
        text = CUT.sub("", self.raw.decode("utf-8", "ignore"), count=1)
        while self.fed < len(text):
            end = text.find(ERASE, self.fed + 1)
            end = end if end >= 0 else len(text)
            self.screen.feed(text[self.fed:end])
            self.fed = end
            yield self.screen.text()

    def show(self):
        """The screen with all that came so far."""
        for _ in self.drawings():
            pass
        return self.screen.text()

    def read(self, seconds):
        """What comes within the time; False at the end."""
        if self.ended:
            time.sleep(seconds)
        elif select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            self.ended = not data
            self.raw += data
        return not self.ended

    def text(self):
        return ESCAPES.sub("", self.raw.decode("utf-8", "replace")).replace("\r", "")

    def expect(self, wanted):
        deadline = time.monotonic() + PATIENCE
        while True:
            at = self.text().find(wanted, self.seen)
            if at >= 0:
                self.seen = at + len(wanted)
                return True
            if self.ended or time.monotonic() > deadline:
                return False
            self.read(1)

    def shows(self, pattern):
        deadline = time.monotonic() + PATIENCE
        while True:
            for screen in self.drawings():
                if re.search(pattern, screen, re.MULTILINE):
                    self.screens.append(screen)
                    return True
            if self.ended or time.monotonic() > deadline:
                return False
            self.read(1)

    def leave(self):
        deadline = time.monotonic() + PATIENCE
        while not self.ended and time.monotonic() < deadline:
            try:
                os.write(self.fd, b"\x04")
            except OSError:
                return
            until = time.monotonic() + 0.3
            while time.monotonic() < until and self.read(0.05):
                pass

    def finish(self):
        """Waits for the end of the command; its exit code, or None for one that had to be killed."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while not self.ended and select.select([self.fd], [], [], 0)[0]:
                    self.read(0)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None


def main():
    terminal = Terminal(sys.argv[1:])
    missing = None
    for line in sys.stdin:
        kind, *values = json.loads(line)
        if kind == "type":
            os.write(terminal.fd, values[0].encode("utf-8", "surrogateescape"))
        elif kind in ("expect", "shows") and not getattr(terminal, kind)(values[0]):
            missing = values[0]
            break
        elif kind == "touch":
            open(values[0], "w").close()
        elif kind == "look":
            terminal.screens.append(terminal.show())
        elif kind == "hang up":
            os.close(terminal.fd)
            terminal.ended = True
        elif kind == "leave":
            terminal.leave()
        elif kind == "resize":
            terminal.resize(*values)
        elif kind == "signal":
            os.kill(terminal.pid, getattr(signal, "SIG" + values[0]))
    if missing is not None:
        os.kill(terminal.pid, signal.SIGTERM)
    code = terminal.finish()
    print(json.dumps({"code": code, "text": terminal.text(), "missing": missing,
                      "screens": terminal.screens + [terminal.show()], "raw": terminal.raw.decode("utf-8", "replace")}))


if __name__ == "__main__":
    main()
