"""A hand in the headset takes the arm from the policy in the middle of training, and gives it back."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
import yaml

from tests.panel.bench import free_port
from tests.ros import training
from tests.teleop.headset import Headset, headsets, needed
from zprl_core.records import read_records

pytestmark = [needed, pytest.mark.slow]
HORIZON_STEPS = 240


def test_a_hand_takes_the_arm_over_and_gives_it_back(tmp_path: Path) -> None:
    task = tmp_path / "long.yaml"
    task.write_text(yaml.safe_dump({**training.TINY, "horizon_steps": HORIZON_STEPS}))
    base, run = training.tiny_base(tmp_path, task), tmp_path / "run"
    words = ["--rig", "sim_xarm6", "--task", str(task), "--base", str(base), "--out", str(run)]
    teleop = ["--realtime", "--teleop", f"127.0.0.1:{free_port()}", "--panel", "none"]
    process = training.start("train", *words, *teleop, "--chunks", "100000", "--eval-episodes", "0")
    try:
        link = _link(run)
        with headsets() as browser:
            headset = Headset(browser, link)
            headset.enter()
            _help(headset, run)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    helped = [record for record in read_records(run / "episodes.jsonl") if record.helped_chunks]
    assert helped and all(record.mode == "explore" for record in helped)
    (first, *_) = helped
    assert 0 < first.helped_chunks < first.chunks, "the policy had it before or afterwards"
    lines = [json.loads(line) for line in training.lines(run / "chunks.log")]
    assert any(line["episode"] == first.episode for line in lines)


def _link(run: Path) -> str:
    path, deadline = run / "teleop" / "link", time.monotonic() + 110.0
    while not path.exists() or not read_records(run / "episodes.jsonl"):
        assert time.monotonic() < deadline, "the session did not come up"
        time.sleep(0.2)
    return path.read_text().strip()


def _help(headset: Headset, run: Path) -> None:
    """Hold the grip for a second in an episode, until one that ended says so."""
    deadline = time.monotonic() + 90.0
    while not any(record.helped_chunks for record in read_records(run / "episodes.jsonl")):
        assert time.monotonic() < deadline, headset.text("arms")
        headset.clear()
        headset.until(lambda: "Running" in headset.text("word"), "an episode runs")
        headset.hold("right", "squeeze", 1.0)
        time.sleep(1.2)
        headset.hold("right", "squeeze", 0.0)
        time.sleep(3.0)
