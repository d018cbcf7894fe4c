"""The learner at a session's end, where a person may still have taken the last label back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition as Change

from tests.bags.conftest import outcome
from tests.ros import training
from tests.ros.harness import graph
from tests.ros.observer import Observer
from zprl_core import record_log
from zprl_core.base import load_base
from zprl_core.config import load_task
from zprl_core.plan import Block
from zprl_core.record_log import RecordLog
from zprl_core.records import append_record
from zprl_core.rl.learner import LatentSpec, Learner
from zprl_core.rl.transition import Transition


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("chunks", "kinds"), [(1, ["transition", "settled"]), (2, ["transition"])])
def test_a_plan_s_last_ending_is_learned_from_and_no_other(
    tmp_path: Path, chunks: int, kinds: list[str]
) -> None:
    task_file = training.tiny_task(tmp_path)
    base, task = training.tiny_base(tmp_path, task_file), load_task(str(task_file))
    blocks = (Block("train", "explore", chunks=chunks),)
    with graph(tmp_path / "g", lockstep=True, task=task, blocks=blocks) as made:
        append_record(
            made.run.episodes_file, replace(outcome(0, "success", "anna"), block="train", mode="explore")
        )
        leave_an_ending(made.run.transitions_file, base, made.run.task_file)
        with Observer(made.domain) as observer:
            made.start("learner", "learner_node.learner_node", base=str(base), resume=True)
            assert observer.change("learner", Change.TRANSITION_CONFIGURE)
        made.stop()
        assert [record["kind"] for _, record in record_log.read(made.run.transitions_file)] == kinds
        assert made.run.learner_checkpoint.exists()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("lockstep", [True, False])
def test_what_was_learned_on_a_robot_before_a_crash_is_kept(tmp_path: Path, lockstep: bool) -> None:
    """Of an episode without a record: simulated time runs it again, a robot never does."""
    task_file, blocks = training.tiny_task(tmp_path), (Block("train", "explore", chunks=9),)
    with graph(tmp_path / "g", lockstep=lockstep, task=load_task(str(task_file)), blocks=blocks) as made:
        base = training.tiny_base(tmp_path, made.run.task_file)
        leave_an_ending(made.run.transitions_file, base, made.run.task_file)
        before = made.run.transitions_file.read_bytes()
        with Observer(made.domain) as observer:
            made.start("learner", "learner_node.learner_node", base=str(base), resume=True)
            assert observer.change("learner", Change.TRANSITION_CONFIGURE)
        made.stop()
        kinds = [record["kind"] for _, record in record_log.read(made.run.transitions_file)]
        assert kinds == ([] if lockstep else ["transition"])
        assert (made.run.transitions_file.read_bytes() == before) != lockstep


def leave_an_ending(log: Path, base: Path, task_file: Path) -> None:
    """Of episode 0, by its first chunk."""
    task = load_task(str(task_file))
    latent = LatentSpec.of(load_base(base, task)[0], task)
    learner = Learner(task, latent, 0, RecordLog(log))
    c, z = np.zeros(len(latent.c_mean), np.float32), np.zeros(latent.dim, np.float32)
    ending = Transition(
        episode=0, chunk=0, c=c, z=z, z_tilde=z, reward=1.0, terminal=True, last=True, c_next=c + 1, z_next=z
    )
    learner.update(ending)
    learner.log.flush()
