"""A headless Chromium looks at a page: browser.py FILE DIRECTORY <views

Views, one JSON object a line: name, width, height, dark (the reader's choice of colours), print (as it is printed); top:
so much of the page also as NAME.webp.
Prints one JSON object a line for each: what can be wrong with the page there, and its text; a picture of it is in
DIRECTORY/NAME.png, and of one that is printed also DIRECTORY/NAME.pdf. Speaks the DevTools protocol through a pipe."""
import base64
import contextlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

PATIENCE = 120  # seconds for the whole: the machine may be busy
PROGRAMS = ("chromium-headless-shell", "chromium")

# What a reader would stumble over. Leaves are the elements that have text of their own.
LOOK = r"""
(() => {
  const rgb = text => (text.match(/[\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const part = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ratio = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = rgb(getComputedStyle(element).backgroundColor);
      if (colour.length == 3 || colour[3] == 1) return colour;
    }
    return [255, 255, 255];
  };
  const say = element => element.tagName.toLowerCase() + ": " + element.textContent.trim().slice(0, 60);
  const leaves = [...document.body.querySelectorAll("*")].filter(element =>
    [...element.childNodes].some(node => node.nodeType == 3 && node.data.trim()));
  const boxes = leaves.flatMap(element => {
    const range = document.createRange();
    return [...element.childNodes].filter(node => node.nodeType == 3 && node.data.trim()).flatMap(node => {
      range.selectNodeContents(node);
      return [...range.getClientRects()].map(box => ({ element, box }));
    });
  });
  const overlaps = [];
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => {
    const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
    const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
    // Boxes of a line are as high as its font, a bit more than the line itself.
    if (wide > 1 && high > 4) overlaps.push(say(a.element) + " / " + say(b.element));
  }));
  const width = document.documentElement.clientWidth;
  const pale = leaves.map(element => ({ what: say(element),
    ratio: ratio(rgb(getComputedStyle(element).color), behind(element)) })).filter(one => one.ratio < 4.5);
  const bars = [...document.querySelectorAll(".bar")].map(element => {
    const style = getComputedStyle(element), phase = style.getPropertyValue("--phase");
    const probe = document.createElement("i");
    probe.style.color = phase;
    document.body.append(probe);
    const colour = rgb(getComputedStyle(probe).color);
    probe.remove();
    return { width: element.getBoundingClientRect().width, ratio: ratio(colour, behind(element.parentElement)),
      left: element.getBoundingClientRect().left - element.parentElement.getBoundingClientRect().left,
      over: element.getBoundingClientRect().right - element.parentElement.getBoundingClientRect().right };
  });
  return {
    overflow: document.documentElement.scrollWidth - width,
    outside: boxes.filter(({ box }) => box.left < -0.5 || box.right > width + 0.5).map(({ element }) => say(element)),
    overlaps, pale, bars, scripts: document.scripts.length, images: document.images.length,
    elements: document.body.querySelectorAll("*").length, title: document.title, text: document.body.innerText,
    unnamed: [...document.querySelectorAll("[role=img]")].filter(one => !one.getAttribute("aria-label")).length,
    broken: [...document.querySelectorAll("a[href^='#']")].filter(one =>
      !document.getElementById(one.getAttribute("href").slice(1))).length,
    language: document.documentElement.lang, landmarks: document.querySelectorAll("header, main").length,
    height: Math.ceil(document.documentElement.scrollHeight),
  };
})()
"""


def png_colours(data):
    """How many colours a picture has, and the share of the most frequent one."""
    at, pixels, width = 8, b"", 0
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, _, depth, colour = struct.unpack(">IIBB", data[at + 8:at + 18])
            assert depth == 8 and colour in (2, 6), (depth, colour)
            size = 3 if colour == 2 else 4
        elif kind == b"IDAT":
            pixels += data[at + 8:at + 8 + length]
        at += 12 + length
    raw, line, counts = zlib.decompress(pixels), width * size, {}
    before = bytes(line)
    for start in range(0, len(raw), line + 1):
        kind, row = raw[start], bytearray(raw[start + 1:start + 1 + line])
        for i in range(line if kind else 0):
            left = row[i - size] if i >= size else 0
            corner = before[i - size] if i >= size else 0
            if kind == 1:
                guess = left
            elif kind == 2:
                guess = before[i]
            elif kind == 3:
                guess = (left + before[i]) // 2
            else:
                p = left + before[i] - corner
                a, b, c = abs(p - left), abs(p - before[i]), abs(p - corner)
                guess = left if a <= b and a <= c else before[i] if b <= c else corner
            row[i] = (row[i] + guess) & 255
        before = bytes(row)
        for i in range(0, line, size):
            key = before[i:i + 3]
            counts[key] = counts.get(key, 0) + 1
    return len(counts), max(counts.values()) / sum(counts.values())


class Browser:
    def __init__(self, profile):
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if not program:
            sys.exit("browser.py: there is no Chromium (tests/deps installs it)")
        theirs, ours = os.pipe()
        mine, yours = os.pipe()

        def descriptors():
            high = [os.dup2(theirs, 60), os.dup2(yours, 61)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe",
             "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + profile],
            preexec_fn=descriptors, close_fds=False, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            start_new_session=True)
        os.close(theirs)
        os.close(yours)
        self.out, self.into = os.fdopen(mine, "rb"), os.fdopen(ours, "wb", buffering=0)
        self.number, self.session, self.events, self.buffer = 0, None, [], b""

    def receive(self):
        while b"\0" not in self.buffer:
            data = self.out.read1(1 << 16)
            if not data:
                sys.exit("browser.py: the browser has ended")
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.into.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit("browser.py: %s: %s" % (method, answer["error"]))
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def open(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def look(self, url, view, directory):
        self.events = []
        width, height = view["width"], view.get("height", 900)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", media="print" if view.get("print") else "screen",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if view.get("dark") else "light"}])
        self.call("Page.navigate", url=url)
        self.wait("Page.loadEventFired")
        found = self.call("Runtime.evaluate", expression=LOOK, returnByValue=True)["result"]["value"]
        path = os.path.join(directory, view["name"])
        clip = {"x": 0, "y": 0, "width": width, "height": found["height"], "scale": 1}
        picture = base64.b64decode(self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"])
        with open(path + ".png", "wb") as file:
            file.write(picture)
        small = self.call("Page.captureScreenshot", clip=dict(clip, scale=0.25), captureBeyondViewport=True)["data"]
        found["colours"], found["plain"] = png_colours(base64.b64decode(small))
        if view.get("top"):
            data = self.call("Page.captureScreenshot", clip=dict(clip, height=view["top"]), format="webp", quality=75)
            with open(path + ".webp", "wb") as file:
                file.write(base64.b64decode(data["data"]))
        if view.get("print"):
            pdf = base64.b64decode(self.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True,
                                             paperWidth=8.27, paperHeight=11.69)["data"])
            with open(path + ".pdf", "wb") as file:
                file.write(pdf)
            found["pages"] = len(re.findall(rb"/Type\s*/Page\b", pdf))
        told = [event for event in self.events
                if event.get("method") in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")]
        asked = [event["params"]["request"]["url"] for event in self.events
                 if event.get("method") == "Network.requestWillBeSent"]
        found.update(name=view["name"], console=told, requests=[one for one in asked if one != url])
        return found

    def close(self):
        self.into.write(b'{"id": 0, "method": "Browser.close"}\0')
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # Its children may still write into the profile.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def give_up(*_):
    sys.exit("browser.py: the browser took too long")


@contextlib.contextmanager
def profile_directory():
    path = tempfile.mkdtemp()
    try:
        yield path
    finally:
        while os.path.exists(path):  # a process that was killed may still end what it wrote
            shutil.rmtree(path, ignore_errors=True)
            time.sleep(0.1)


def main():
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    path, directory = os.path.abspath(sys.argv[1]), sys.argv[2]
    with profile_directory() as profile:
        browser = Browser(profile)
        try:
            browser.open()
            for line in sys.stdin:
                print(json.dumps(browser.look("file://" + path, json.loads(line), directory)), flush=True)
        finally:
            browser.close()


main()
