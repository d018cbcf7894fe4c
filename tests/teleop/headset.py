"""A Quest 3 in software (npm's `iwer`) in a headless Chromium, and a person who wears it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.panel.chrome import CHROMIUM, chromium

IWER = Path(sys.prefix) / "headset/node_modules/iwer/build/iwer.min.js"
needed = pytest.mark.skipif(
    CHROMIUM is None or not IWER.is_file(),
    reason="needs chromium (apt-get install chromium) and the emulated headset (npm, `make setup`)",
)
FRAME_MS = 11
AT = (0.2, 1.1, -0.4)
"""Where the right hand is at first, m, in the headset's space."""
TRIES = 4  # of a person, on a machine that stands still for longer than a headset may be silent
NO_DRAWING = """
// Drawing both eyes in software takes more than the two cores of a small machine have.
const nothing = (canvas) => new Proxy({ canvas }, {
  get(gl, name) {
    if (name === "getContextAttributes") return () => ({});
    return gl[name] ?? (name === name.toUpperCase() ? 0 : () => 0);
  },
  set: () => true,
});
HTMLCanvasElement.prototype.getContext = new Proxy(HTMLCanvasElement.prototype.getContext, {
  apply: (real, canvas, [kind, ...more]) =>
    kind === "webgl" ? nothing(canvas) : real.call(canvas, kind, ...more),
});
"""
SCRIPT = """
// Frames at a headset's rate, not the headless screen's; and its controllers are seen, which iwer never says.
window.requestAnimationFrame = (call) => setTimeout(() => call(performance.now()), %(frame)d);
const device = new IWER.XRDevice(IWER.metaQuest3);
device.installRuntime({ forceInstall: true });
window.wearer = { device, tracked: true, way: null };
Object.defineProperty(XRPose.prototype, "emulatedPosition", { get: () => !window.wearer.tracked });
device.controllers.right.position.set(%(at)s);
device.controllers.left.position.set(-%(at)s);
// A controller is set by its middle, and told by its grip, which is elsewhere.
const [gripX, gripY, gripZ] = IWER.metaQuest3.controllerConfig.layout.right.gripOffsetMatrix.slice(12, 15);
function place(x, y, z, angle) {
  const { position, quaternion } = device.controllers.right, c = Math.cos(angle), s = Math.sin(angle);
  position.set(x + gripX - (c * gripX + s * gripZ), y, z + gripZ - (c * gripZ - s * gripX));
  quaternion.set(0, Math.sin(angle / 2), 0, Math.cos(angle / 2));
}
window.wearer.place = place;
// The way: points [seconds, x, y, z, angle about the vertical, trigger], straight between them.
setInterval(() => {
  const { way } = window.wearer;
  if (!way) return;
  const at = (performance.now() - way.since) / 1000;
  const next = way.points.findIndex(([when]) => when > at);
  const b = way.points[next < 0 ? way.points.length - 1 : next], a = way.points[Math.max(next - 1, 0)];
  const share = next <= 0 ? 1 : (at - a[0]) / (b[0] - a[0]);
  const mix = (i) => a[i] + share * (b[i] - a[i]);
  place(...way.from.map((part, i) => part + mix(i + 1)), mix(4));
  device.controllers.right.updateButtonValue("trigger", mix(5));
  if (next < 0) window.wearer.way = null;
}, 4);
"""


class Headset:
    """A page in the headset, in an immersive session, and what its wearer does."""

    def __init__(
        self, browser: Browser, link: str, *, draws: bool = False, init_script: str = "", **context: Any
    ) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 720}, **context)
        at = ", ".join(map(str, AT))
        script = IWER.read_text() + SCRIPT % {"frame": FRAME_MS, "at": at}
        self.context.add_init_script((script if draws else script + NO_DRAWING) + init_script)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.goto(link)
        self.until(lambda: self.text("seat-text") != "Nobody has the hands", "the server was heard")

    def enter(self) -> None:
        """Put it on."""
        self.until(lambda: not self.page.is_disabled("#enter"), "a headset was found")
        self.page.click("#enter")
        self.until(lambda: self.run("() => Boolean(window.wearer.device.activeSession)"), "the session began")

    def run(self, script: str, *arguments: Any) -> Any:
        """Evaluate a function in the page."""
        return self.page.evaluate(script, *arguments)

    def text(self, id: str) -> str:
        """What stands in an element."""
        return str(self.run("id => document.getElementById(id).textContent", id))

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
        """Wait; the page's policy forbids Playwright's own way of it, which evaluates text."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            words = [self.text(id) for id in ("word", "hint", "arms", "answer")]
            assert time.monotonic() < deadline, (what, words, self.complaints)
            time.sleep(0.05)

    def press(self, hand: str, button: str) -> None:
        """Press and let go of a controller's button, such as "a-button"."""
        for value in (1, 0):
            self.hold(hand, button, value)
            self.seen()

    def seen(self) -> None:
        """The page has drawn some frames since: it looks at buttons once in each."""
        time.sleep(0.1)
        for _ in range(3):
            self.run("() => new Promise(requestAnimationFrame)")

    def hold(self, hand: str, button: str, value: float) -> None:
        """Press a controller's button so far, 0 to 1, and leave it so."""
        set_to = "([h, b, v]) => window.wearer.device.controllers[h].updateButtonValue(b, v)"
        self.run(set_to, [hand, button, value])

    def rest(self) -> None:
        """The right hand is where it was at first."""
        self.run("at => { window.wearer.way = null; window.wearer.place(...at, 0); }", list(AT))

    def soon(self, condition: Callable[[], object], timeout_s: float = 5.0) -> bool:
        """Whether it comes true."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.02)
        return False

    def grip(self) -> None:
        """Press the right grip until the arm follows: where the clutch opens again, as a person would."""
        for _ in range(8):
            self.let_go()
            self.hold("right", "squeeze", 1.0)
            deadline = time.monotonic() + 2.0
            while time.monotonic() < deadline and not self.complains:
                if self.follows:
                    return
                time.sleep(0.02)
        raise AssertionError(("the clutch does not close", self.text("arms"), self.complaints))

    def let_go(self) -> None:
        """Let the right grip go, until the arm's line says so."""
        self.hold("right", "squeeze", 0.0)
        self.until(lambda: not (self.follows or self.complains), "the arm holds")

    def clear(self) -> None:
        """Clear what stopped the arm, where something did: a small machine stands still now and then."""
        halted = ("Fault", "Stopped")
        if self.text("word") in halted:
            self.press("right", "thumbstick")
            self.until(lambda: self.text("word") not in halted, "it is cleared")

    def begin(self) -> str:
        """Start the next demonstration, from wherever the session is; the layout that is shown."""
        if "Running" in self.text("word"):
            self.press("left", "y-button")
            self.until(lambda: "Running" not in self.text("word"), "what went before is discarded")
        self.let_go()
        self.rest()
        self.clear()
        self.press("right", "a-button")
        self.until(lambda: "Ready" in self.text("word"), "the scene is laid out")
        layout = self.text("hint").partition("Layout: ")[2]
        self.press("right", "a-button")
        self.until(lambda: "Running" in self.text("word"), "it runs")
        return layout

    @property
    def follows(self) -> bool:
        """Whether the arm's line says that a hand moves it."""
        return "hand moves it" in self.text("arms")

    @property
    def complains(self) -> bool:
        """Whether it says why a clutch opened."""
        return bool(self.run("() => Boolean(document.querySelector('#arms .why'))"))

    def walk(self, points: Sequence[Sequence[float]], *, wait: bool = True) -> None:
        """Move the right hand along points: seconds, x, y, z from where it was at first, m, angle about the
        vertical, rad, and trigger.
        """
        start = "([points, from]) => { window.wearer.way = { points, from, since: performance.now() }; }"
        self.run(start, [list(map(list, points)), list(AT)])
        if wait:
            time.sleep(points[-1][0])
            self.until(lambda: self.run("() => window.wearer.way === null"), "the way was walked")


@contextmanager
def headsets() -> Iterator[Browser]:
    """A browser for them."""
    with chromium() as browser:
        yield browser
