"""What the policy node leaves behind about the guard, and how a resumed run takes it up."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from policy_node.guarded import news
from policy_node.trace import Trace
from zprl_core.effects import SendChunk
from zprl_core.planned import Plan
from zprl_core.run_folder import RunFolder
from zprl_core.steering.guard import GuardState, GuardValues

STEERED = [GuardValues(0.1, math.nan, 0.3), GuardValues(0.123456, 0.7, 0.654321)]


def _send(episode: int, values: GuardValues, after: GuardState, scale: float = 1.0) -> SendChunk:
    one = np.zeros(1, np.float32)
    return SendChunk(episode, 0, Plan(one, one, one, one, one, one, scale, values), 0, "", after)


def _stats(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "stats" / "policy_node.json").read_text())
    return found


def test_the_log_gives_the_history_back(tmp_path: Path) -> None:
    (tmp_path / "stats").mkdir()
    trace = Trace(RunFolder(tmp_path), "torch fp32")
    trace.chunk(_send(0, GuardValues(), GuardState()))  # not steered
    for episode, values in enumerate(STEERED, start=1):
        trace.chunk(_send(episode, values, GuardState(0.7, (), "beyond")))
        trace.flush()
    trace.chunk(_send(3, STEERED[0], GuardState()))  # of an episode that is planned again
    trace.close()
    lines = [json.loads(line) for line in (tmp_path / "chunks.log").read_text().splitlines()]
    assert lines[0]["rms_ratio"] is None and lines[1]["mahalanobis"] is None and lines[1]["scale"] == 1.0
    stats = _stats(tmp_path)
    assert (stats["guarded"], stats["backed_off"]) == (2, 2)
    assert stats["backend"] == "torch fp32" and stats["frames"] == {}
    assert stats["mahalanobis"] == {"mean": 0.7, "p99": 0.7, "max": 0.7}
    again = Trace(RunFolder(tmp_path), "torch fp32")
    assert repr(again.rewind(3)) == repr(STEERED)
    again.close()
    assert _stats(tmp_path)["guarded"] == 2
    assert len(list((tmp_path / "tb").glob("*.policy"))) == 2


@pytest.mark.parametrize(
    ("scale", "after", "was_beyond", "text"),
    [
        (1.0, GuardState(0.7, (), "x 2, allowed 1"), False, "x 2, allowed 1; lambda is scaled by 0.700"),
        (0.7, GuardState(0.735), False, "within its limits; lambda is scaled by 0.735, before 0.700"),
        (1.0, GuardState(1.0, (), "x 2, allowed 1"), False, "latent: x 2, allowed 1"),
        (1.0, GuardState(1.0), True, "latent: within its limits"),
        (1.0, GuardState(1.0, (), "x 2, allowed 1"), True, ""),
        (1.0, GuardState(1.0), False, ""),
    ],
)
def test_people_hear_of_changes_only(scale: float, after: GuardState, was_beyond: bool, text: str) -> None:
    found = news(_send(3, STEERED[1], after, scale), was_beyond)
    assert text in found and bool(text) == bool(found)


def test_frames_are_counted_over_all_of_a_runs_processes(tmp_path: Path) -> None:
    (tmp_path / "stats").mkdir()
    for counts in ({"all": 4, "early": 1}, {"all": 6, "early": 3}, {"all": 10, "early": 5}):
        trace = Trace(RunFolder(tmp_path), "torch fp32")
        trace.frames({"all": 1, "early": 1})
        trace.frames(counts)  # of this process, so far
        trace.close()
    assert _stats(tmp_path)["frames"] == {"all": 20, "early": 9}
