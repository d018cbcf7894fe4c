"""Pictures of the panel in mid-episode, of a real graph on the twin: docs/images/panel_{desk,phone}.png.

    python -m tests.benchmarks.panel_pictures --out docs/images

The base policy is untrained and stays at home; an operator's labels are made up.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

import cv2

from tests.benchmarks.panel_operator import Operator
from tests.benchmarks.panel_stage import Stage, training_run
from tests.panel.chrome import PHONE, chromium

EPISODES, CHUNKS, LONGEST_S = 24, 60, 3.0
SIZE = {"height": 240, "width": 320, "crop_height": 232, "crop_width": 312}


def picture(desk: Operator, path: Path) -> None:
    """A picture of a page that shows an episode."""
    desk.until(lambda: int(desk.text("step").split()[0]) > 16 * CHUNKS // 4, "the middle of it", 30.0)
    desk.page.screenshot(path=path)
    shown = cv2.imread(str(path))
    cv2.imwrite(str(path), shown, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def main() -> None:
    """Label some episodes, then take the pictures in the next one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    out, rng = parser.parse_args().out, random.Random(0)
    with (
        tempfile.TemporaryDirectory() as folder,
        training_run(Path(folder), CHUNKS, SIZE) as run,
        chromium() as browser,
    ):
        stage = Stage(browser, run, rng)
        for number in range(EPISODES):
            desk = stage.reach_open()
            time.sleep(rng.uniform(0.0, LONGEST_S))
            good = rng.random() < 0.3 + 0.6 * number / EPISODES
            desk.page.keyboard.press("s" if good else "f")
            stage.settle()
        stage.reach_open()
        picture(desk, out / "panel_desk.png")
        phone = Operator(browser, stage.link(), **PHONE)
        phone.take_seat()
        picture(phone, out / "panel_phone.png")


if __name__ == "__main__":
    main()
