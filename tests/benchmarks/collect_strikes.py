"""What a collection loses when something in it dies, stands still, or has no room: nothing that was kept.

`python -m tests.benchmarks.collect_strikes --out DIR`: for each strike a collection of its own, in real time,
with a person in an emulated Quest 3: one demonstration is kept, the next is struck while the hand moves the
arm, then the collection goes on with `--resume` and another one is kept. The full disk is a file system of
its own, which takes root. Writes DIR/strikes.jsonl and prints a table.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Error

from tests.benchmarks import processes
from tests.ros import training
from tests.teleop import collection
from tests.teleop.collection import Collection, collecting
from tests.teleop.headset import Headset, headsets
from tests.teleop.test_headset import circle
from zprl_core.records import EpisodeRecord

TASK = "place_orange_demo"
KILLED = (
    "teleop_node",
    "recorder_node",
    "session_node",
    "arm_bridge",
    "proprioception_node",
    processes.SUPERVISOR,
)
STOOD = ("teleop_node", "recorder_node", "session_node", "arm_bridge")
STAND_S, STRUCK_AT_S = 2.0, 1.0
ROOM = "1300m"
FULL, FILLER = "full disk", "filler"
REST_M_S = 0.01
SEEN_S = 6.0
DATASET = re.compile(r"episodes +(\d+)")


def main() -> None:
    """Strike, then report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="new or empty")
    parser.add_argument("--only", default="", help="strikes whose names hold this")
    args = parser.parse_args()
    out = args.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    strikes = [f"kill {name}" for name in KILLED] + [f"stand {name}" for name in STOOD] + [FULL]
    with headsets() as browser, (out / "strikes.jsonl").open("a") as log:
        for strike in strikes:
            if args.only in strike:
                result = struck(out / strike.replace(" ", "_"), strike, browser)
                log.write(json.dumps(result) + "\n")
                log.flush()
                print(json.dumps(result, indent=1), flush=True)
    report(out / "strikes.jsonl")


def struck(folder: Path, strike: str, browser: Browser) -> dict[str, Any]:
    """One strike, and what was left."""
    folder.mkdir()
    with room(folder) if strike == FULL else contextlib.nullcontext():
        run = folder / "run"
        first = Collection(run, "--episodes", "9")
        try:
            first.wait()
            headset = Headset(browser, first.link)
            headset.enter()
            keep(headset)
            headset.begin()  # which finishes the bag
            kept = fingerprint(run, 0)
            headset.grip()
            headset.walk(circle(4), wait=False)
            time.sleep(STRUCK_AT_S)
            struck_ns = time.time_ns()
            hit(strike, run, folder)
            told = watched(headset, first)
            ended = first.process.poll()
            over_s = 1e-9 * (time.time_ns() - struck_ns)
        finally:
            printed = first.end()
            with contextlib.suppress(Error):
                headset.context.close()
        before = first.records
        return {
            "strike": strike,
            "the arm": at_rest(run, struck_ns),
            "the command": "went on" if ended is None else f"ended with {ended} after {over_s:.1f} s",
            "told in the headset": told,
            "traceback": "Traceback" in printed,
            "on record": [f"{r.episode} {r.outcome} {r.reason}".strip() for r in before],
            "kept bag": "the same" if kept == fingerprint(run, 0) else "CHANGED",
            **resumed(run, before, browser),
        }


def keep(headset: Headset) -> None:
    """A short demonstration."""
    headset.begin()
    headset.grip()
    headset.walk(circle(1))
    headset.let_go()
    headset.press("right", "b-button")
    headset.until(lambda: "success" in headset.text("word"), "it is kept")


def hit(strike: str, run: Path, folder: Path) -> None:
    """Strike."""
    how, _, name = strike.partition(" ")
    if strike == FULL:
        with (folder / FILLER).open("wb") as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(1 << 22))
        return
    pid = processes.of_run(run)[name].pid
    if how == "kill":
        os.kill(pid, signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(STAND_S)
        os.kill(pid, signal.SIGCONT)


def watched(headset: Headset, cell: Collection) -> str:
    """What the wearer is told last, while the command lives or until the hand had the time to see."""
    told = ""
    deadline = time.monotonic() + SEEN_S
    while time.monotonic() < deadline and cell.process.poll() is None:
        with contextlib.suppress(Error):
            told = " | ".join(headset.text(id) for id in ("word", "hint", "arms"))
        time.sleep(0.1)
    return told


def fingerprint(run: Path, episode: int) -> str:
    """Of an episode's bag."""
    (path,) = (run / "bags" / f"episode_{episode:06d}").glob("*.mcap")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def at_rest(run: Path, struck_ns: int) -> str:
    """When the tool moved last, as the struck episode's bag has it, restored where it was cut off."""
    training.zprl("bag", "recover", str(run / "bags" / "episode_000001"))
    times, measured, _ = collection.motion(run, 1)
    since_s = times - 1e-9 * struck_ns
    speeds = np.linalg.norm(np.diff(measured, axis=0), axis=1) / np.maximum(np.diff(times), 1e-3)
    moved = since_s[1:][speeds > REST_M_S]
    if moved[-1] > since_s[-1] - 0.1:
        return f"moves where the bag ends, {since_s[-1]:.2f} s after"
    return f"at rest {max(moved[-1], 0.0):.2f} s after"


def resumed(run: Path, before: tuple[EpisodeRecord, ...], browser: Browser) -> dict[str, Any]:
    """Goes on, keeps one more, and makes a dataset."""
    (run.parent / FILLER).unlink(missing_ok=True)
    with collecting(run, "--episodes", "9") as again:
        headset = Headset(browser, again.link)
        headset.enter()
        keep(headset)
        headset.begin()
        headset.context.close()
        after = again.records
    data = run.parent / "data"
    built = training.zprl(
        "dataset", "build", str(run / "bags"), "--task", TASK, "--out", str(data), "--skip-bad"
    )
    info = training.zprl("dataset", "info", str(data)).stdout
    return {
        "resumed": "every record is there" if after[: len(before)] == before else "LOST A RECORD",
        "kept": [record.episode for record in after if not record.void],
        "dataset": DATASET.findall(info) or built.stderr[-300:],
    }


@contextlib.contextmanager
def room(folder: Path) -> Iterator[None]:
    """A small file system there."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def report(log: Path) -> None:
    """The strikes as a table."""
    for line in log.read_text().splitlines():
        one = json.loads(line)
        print(f"| {' | '.join(str(value) for value in one.values())} |")


if __name__ == "__main__":
    main()
