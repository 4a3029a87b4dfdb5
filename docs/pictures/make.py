"""Takes the pictures of docs/pictures on the bed that the environment names: real sessions, recorded as they are typed.
Called by docs/pictures/make."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.append(os.path.join(HERE, "../../tests/support"))

from svg import picture  # noqa: E402
from terminal import Terminal  # noqa: E402

SIPHON = "build/siphon"
PATIENCE = 120  # seconds for what is waited for
MOST = 60000    # bytes of a picture


def run(*command, **environment):
    return subprocess.run(command, env=dict(os.environ, **environment), stdout=subprocess.PIPE, check=False)


def volume(name, size, data):
    subprocess.run(["rbd", "create", "--size", size, "volumes/" + name], check=True)
    subprocess.run(["rbd", "bench", "--io-type", "write", "--io-size", "4M", "--io-total", data, "--io-pattern", "seq",
                    "volumes/" + name], check=True, stdout=subprocess.DEVNULL)


def weigh(path):
    size = os.path.getsize(path)
    print("%-12s %d bytes" % (os.path.basename(path), size))
    if size > MOST:
        sys.exit("%s is too large to be kept in the repository" % path)


class Session(Terminal):
    """A person at a terminal of that size."""

    def __init__(self, command, columns, rows=48):
        super().__init__(command)
        self.resize(rows, columns)

    def until(self, pattern, count=1):
        deadline = time.monotonic() + PATIENCE
        while len(re.findall(pattern, self.show())) < count:
            if self.ended or time.monotonic() > deadline:
                sys.exit("this did not come: %s\n%s" % (pattern, self.show()))
            self.read(0.05)

    def line(self, text):
        """Types it, and waits for the next prompt."""
        prompts = len(re.findall(r"(?m)^siphon(?: \[\d+\])?>", self.show()))
        os.write(self.fd, text.encode() + b"\r")
        self.until(r"(?m)^siphon(?: \[\d+\])?>", prompts + 1)

    def picture(self, name, title, first="", last=None):
        """Writes the screen from the line that begins with `first` to the one that begins with `last`."""
        lines = self.show().split("\n")
        begin = next(i for i, line in enumerate(lines) if line.startswith(first))
        end = next((i for i, line in enumerate(lines) if last and line.startswith(last)), len(lines) - 1)
        text = picture(self.screen, range(begin, end + 1), self.screen.columns, title)
        path = os.path.join(HERE, name + ".svg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        weigh(path)


def repl():
    session = Session([SIPHON], 112)
    session.until(r"siphon>$")
    session.line('images "volumes"')
    session.line('vm1 = image "volumes/vm1"')
    session.line('vm1:size() >> 20')
    session.line('image "volumes/vm9"')
    session.line("err.code")
    session.line('help "rbd.clone"')
    session.line('spawn(copy, { source = "volumes/vm2", target = "volumes/vm2-copy", max_rate = 48 << 20 })')
    session.line("sleep(1)")
    session.line(":jobs")
    session.until(r"\[1\] done")
    session.until(r"siphon>$")
    session.picture("repl", "siphon at a prompt: images, an error, help, a copy in the background")
    session.leave()
    session.finish()


def bar():
    session = Session([SIPHON, "copy", "--pool", "images", "--max-rate", "48M", "volumes/vm1", "glance:golden"], 100)
    session.until(r" [3-6]\d%")
    session.picture("bar", "siphon copy: the steps that are done, and a bar with rate, time left and bytes through this host")
    session.finish()


def bars():
    session = Session([SIPHON], 100)
    session.until(r"siphon>$")
    os.write(session.fd, b'for i = 1, 3 do task.spawn(copy, { source = "volumes/vm" .. i, target = "glance:golden-" .. i,'
             b' pool = "images", max_rate = 24 // i << 20 }) end\r')
    session.until(r"(?m)^volumes/vm\d .* [1-9]\d% .*host", 3)
    session.picture("bars", "three copies at once, a bar for each", first="siphon>")
    session.until("is active in pool", 3)
    session.until(r"siphon>$")
    session.leave()
    session.finish()


def doctor():
    session = Session([SIPHON, "doctor", "--trial", "--images-pool", "images"], 100)
    session.finish()
    # Without the part about the host, which names directories of this one.
    session.picture("doctor", "siphon doctor: what works here, each thing tried", first="ceph")


def ids_of(*images):
    last = {}
    for line in run(SIPHON, "jobs", "--all", "--json").stdout.splitlines():
        job = json.loads(line)
        last[job["target"]] = job["id"]
    return sorted(last["glance:" + image] for image in images)


def report():
    run(SIPHON, "copy", "-q", "--pool", "images", "--route", "copy", "volumes/vm2", "glance:resumed",
        SIPHON_FAULT="kill target.copy/rbd.copy_data/half", SIPHON_LEASE="2")
    run(SIPHON, "copy", "-q", "--pool", "images", "--policy", "instant", "volumes/vm3", "glance:quick")
    run(SIPHON, "copy", "-q", "--route", "upload", "volumes/vm3", "glance:uploaded")
    run(SIPHON, "resume", "-q", "--all")
    with tempfile.TemporaryDirectory() as directory:
        page = os.path.join(directory, "report.html")
        subprocess.run([SIPHON, "report", "-o", page, *ids_of("golden", "resumed", "quick", "uploaded")], check=True)
        subprocess.run(["python3", "tests/support/browser.py", page, directory], check=True, stdout=subprocess.DEVNULL,
                       input=b'{"name": "report", "width": 1000, "top": 1080}\n')
        os.replace(os.path.join(directory, "report.webp"), os.path.join(HERE, "report.webp"))
    weigh(os.path.join(HERE, "report.webp"))


def main():
    os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8", XDG_STATE_HOME=os.environ["TMPDIR"],
                      XDG_CONFIG_HOME=os.environ["TMPDIR"])
    os.environ.pop("NO_COLOR", None)
    for name, size, data in (("vm1", "1G", "192M"), ("vm2", "512M", "128M"), ("vm3", "256M", "96M")):
        volume(name, size, data)
    for take in (doctor, repl, bar, bars, report):
        if not sys.argv[1:] or take.__name__ in sys.argv[1:]:
            take()


main()
