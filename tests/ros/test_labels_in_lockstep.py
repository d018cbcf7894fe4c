"""A person's label at any moment of simulated time is learned from, and the next episode runs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.panel_agreement import learner_against
from tests.ros import training
from tests.ros.harness import OBSERVERS_NEED
from tests.ros.observer import Observer
from zprl_core import record_log
from zprl_core.records import read_records
from zprl_core.run_folder import RunFolder, read_json

pytestmark = pytest.mark.slow
MOMENTS_S = (0.0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    """A training run that waits for its operator; its log is whole after `finish`."""
    task = training.tiny_task(tmp_path)
    words = ["--rig", "sim_xarm6", "--task", str(task), "--base", str(training.tiny_base(tmp_path, task))]
    more = ["--out", str(tmp_path / "run"), "--chunks", "1000", "--eval-episodes", "0", "--panel", "none"]
    process = training.start("train", *words, *more, "--operator")
    folder, deadline = RunFolder(tmp_path / "run"), time.monotonic() + 60.0
    while not folder.live_file.exists():
        assert process.poll() is None and time.monotonic() < deadline, "the session does not start"
        time.sleep(0.1)
    try:
        yield folder
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def reach(eyes: Observer, *states: str) -> None:
    deadline = time.monotonic() + 60.0
    while eyes.state not in states:
        assert time.monotonic() < deadline, f"{eyes.state}, and not {states}"
        time.sleep(0.002)


def begin(eyes: Observer) -> None:
    reach(eyes, "idle", "labelled")
    while (answer := eyes.command("start")) != (True, ""):
        assert "still starting" in answer[1]
        time.sleep(0.05)
    reach(eyes, "running", "judging")


def learned(run: RunFolder, episode: int) -> dict[str, Any]:
    """The episode's ending, as soon as the learner has it."""
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        for _, entry in record_log.read(run.transitions_file):
            if entry["kind"] == "transition" and entry["episode"] == episode and entry["last"]:
                return entry
        time.sleep(0.02)
    raise AssertionError(f"the ending of episode {episode} does not come")


def test_a_label_at_any_moment_is_learned_from(run: RunFolder) -> None:
    environment = read_json(run.live_file)["environment"]
    os.environ.update({key: environment[key] for key in OBSERVERS_NEED})
    with Observer(int(environment["ROS_DOMAIN_ID"])) as eyes:
        reach(eyes, "idle")
        for number, moment_s in enumerate((*MOMENTS_S, *MOMENTS_S)):
            begin(eyes)
            time.sleep(moment_s)
            if number >= len(MOMENTS_S):  # a chunk that was sent before the pause was heard is not executed
                eyes.command("pause")
                time.sleep(0.1)
            label = ("success", "failure")[number % 2]
            assert eyes.label(label) == (True, "")
            ending = learned(run, number)
            assert (ending["reward"], ending["terminal"]) == (float(label == "success"), True)
            assert ending["excluded"] == ""
    records = {record.episode: record for record in read_records(run.episodes_file)}
    assert len(records) == 2 * len(MOMENTS_S)
    assert learner_against([entry for _, entry in record_log.read(run.transitions_file)], records) == []
