"""The policy node where the actor that an episode starts with comes late."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from lifecycle_msgs.msg import Transition
from zprl_interfaces.msg import Correction, PlannedChunk, SteeringStatus
from zprl_interfaces.srv import Update

from tests.ros import training
from tests.ros.harness import LEAD_STEPS, Graph, graph
from tests.ros.observer import Observer
from zprl_bringup import convert, qos
from zprl_core.arithmetic import use_threads
from zprl_core.base import load_base
from zprl_core.config import TaskConfig, load_task
from zprl_core.plan import Block
from zprl_core.rl import weights
from zprl_core.runtime import new_actor

LATE_S, WATCHDOG_S = 3.0, 0.6


class LearnerAtHand(Observer):
    """Answers the policy's first question only when it is told to, and every later one at once.

    Attributes:
        actor: the weights that it sends. refusal: why it refuses; empty: it does not.
    """

    def __init__(self, domain: int, actor: bytes) -> None:
        super().__init__(domain)
        self.actor, self.refusal, self.go, self.asked = actor, "", threading.Event(), threading.Event()
        self.plans: list[PlannedChunk] = []
        self.held: list[str] = []
        self.corrections: list[Any] = []
        self.mend = self._node.create_publisher(Correction, "/session/correction", qos.changes())
        self._node.create_service(Update, "/learner/update", self._on_update)
        profile = qos.stream(lockstep=False, depth=64)
        self._node.create_subscription(PlannedChunk, "/policy/plan", self.plans.append, profile)
        self._node.create_subscription(
            SteeringStatus, "/policy/status", lambda m: self.held.append(m.held), qos.status()
        )

    def _on_update(self, request: Any, response: Any) -> Any:
        self.corrections += request.corrections
        self.asked.set()
        assert self.go.wait(60.0)
        response.ok, response.reason, response.actor_version = not self.refusal, self.refusal, 1
        if request.known_version < 0:
            response.weights = self.actor
        return response


@contextmanager
def training_of(folder: Path, chunks: int = 3) -> Iterator[tuple[Graph, Path, TaskConfig, LearnerAtHand]]:
    """A graph for an episode of training, its base policy and task, and a learner with an actor."""
    use_threads(1)
    patient = {**training.TINY["observation"], "lead_steps": LEAD_STEPS, "max_age_s": 1.0}
    task_file = folder / "patient.yaml"
    changed = {"observation": patient, "horizon_steps": 16 * chunks}
    task_file.write_text(yaml.safe_dump({**training.TINY, **changed}))
    base, task = training.tiny_base(folder, task_file), load_task(str(task_file))
    actor, blocks = new_actor(load_base(base, task)[0], task), (Block("train", "explore", chunks=chunks),)
    with graph(folder / "g", lockstep=False, task=task, blocks=blocks) as made:
        yield made, base, task, LearnerAtHand(made.domain, weights.to_bytes(actor))


@pytest.mark.timeout(180)
def test_its_chunks_are_planned_from_what_is_seen_then_one_after_the_other(tmp_path: Path) -> None:
    """Late by more than two chunks: both of the chunks that wait for this actor would have been due."""
    with training_of(tmp_path) as (g, base, task, learner):
        with learner:
            for name in ("bridge", "camera", "proprioception", "judge"):
                g.start(name)
            g.start("session", managed_nodes=["bridge", "policy"])
            g.start("policy", "policy_node.policy_node", base=str(base))
            g.wait(learner.asked.is_set, 90, "the question which actor the episode starts with")
            time.sleep(LATE_S)
            assert not learner.plans
            answered_ns = time.time_ns()
            learner.go.set()
            g.wait(lambda: len(learner.plans) >= 3, 30, "three chunks")
        plans = learner.plans[:3]
    assert [plan.chunk for plan in plans] == [0, 1, 2]
    starts_ns = [convert.time_ns(plan.chunk_start) for plan in plans]
    chunk_ns = task.action.chunk * task.action.repeat * task.tick_s * 1e9
    for plan, start_ns in zip(plans, starts_ns, strict=True):
        assert start_ns - convert.stamp_ns(plan) <= (LEAD_STEPS * task.tick_s + WATCHDOG_S) * 1e9 + 1e8
    assert convert.stamp_ns(plans[0]) > answered_ns - (LEAD_STEPS * task.tick_s + WATCHDOG_S) * 1e9
    assert all(later - earlier >= chunk_ns - 1e3 for earlier, later in itertools.pairwise(starts_ns))
    told = [line for line in g.log("policy").splitlines() if "chunk 0/0" in line]
    assert len(told) == 1 and "its actor is not there yet: it is observed again" in told[0], "said once"
    assert g.run.read_stats()["policy_node"]["stalls"] == 1


@pytest.mark.timeout(120)
def test_a_label_is_corrected_before_the_first_episode_of_a_start(tmp_path: Path) -> None:
    """A resumed run, in which somebody mends yesterday's label first."""
    with training_of(tmp_path) as (g, base, _, learner):
        with learner:
            learner.go.set()
            g.start("policy", "policy_node.policy_node", base=str(base))
            assert learner.change("policy", Transition.TRANSITION_CONFIGURE)
            learner.mend.publish(Correction(run_id=g.run_id, episode=3, chunk=2, outcome="failure"))
            g.wait(lambda: bool(learner.corrections), 30, "the correction at the learner")
            assert learner.change("policy", Transition.TRANSITION_ACTIVATE), "it goes on"
        assert [(each.episode, each.outcome) for each in learner.corrections] == [(3, "failure")]
