"""The page on a phone in a long episode: nothing beyond the edge, the buttons where a thumb is."""

from __future__ import annotations

from pathlib import Path

from tests.panel.bench import running
from tests.panel.chrome import PHONE, Desk, chromium, needed

pytestmark = needed
LONGEST = {"episode": "1234 · train", "time": "120.5 s", "step": "1904 / 1920", "window": "10.0 s"}
FILL = """longest => {
  for (const [id, text] of Object.entries(longest)) document.getElementById(id).textContent = text;
  document.getElementById("window-fact").hidden = false;
  const bottom = c => document.querySelector(`[data-command=${c}]`).getBoundingClientRect().bottom;
  const low = ["success", "failure", "pause", "abort", "stop"].filter(c => bottom(c) > innerHeight);
  const right = [...document.querySelectorAll("header *")].map(n => n.getBoundingClientRect().right);
  return [document.documentElement.scrollWidth, Math.max(...right), low];
}"""


def test_the_longest_numbers_fit(tmp_path: Path) -> None:
    width = PHONE["viewport"]["width"]
    with running(tmp_path) as panel, chromium() as browser:
        wide, right, low = Desk(browser, panel.link, **PHONE).page.evaluate(FILL, LONGEST)
    assert wide <= width and right <= width and low == []
