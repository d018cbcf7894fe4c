"""What the policy node does not send, and what it says of it: the real node, with a learner at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.ros.harness import Graph
from tests.ros.test_late_actor import LearnerAtHand, training_of


def run(g: Graph, base: Path, learner: LearnerAtHand) -> None:
    """Start an episode that nobody operates."""
    learner.go.set()
    for name in ("bridge", "camera", "proprioception", "judge"):
        g.start(name)
    g.start("session", managed_nodes=["bridge", "policy"])
    g.start("policy", "policy_node.policy_node", base=str(base))


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("weight", "refusal", "said"),
    [
        (1e30, "", "chunk 0: the policy planned numbers that are not finite; nothing was sent"),
        (0.0, "the disk is full", "the learner refused episode 0: the disk is full"),
    ],
)
def test_it_ends_rather_than_sending_what_it_cannot_stand_for(
    tmp_path: Path, weight: float, refusal: str, said: str
) -> None:
    with training_of(tmp_path) as (g, base, _, learner):
        learner.refusal = refusal
        learner.actor = np.full(len(learner.actor) // 4, weight, "<f4").tobytes()
        with learner:
            run(g, base, learner)
            g.wait(lambda: g.processes["policy"].poll() is not None, 90, "the policy's end")
        assert said in g.log("policy")
        assert learner.plans == []


@pytest.mark.timeout(180)
def test_it_holds_where_a_camera_is_gone(tmp_path: Path) -> None:
    with training_of(tmp_path, chunks=10) as (g, base, _, learner), learner:
        run(g, base, learner)
        g.wait(lambda: learner.plans, 90, "a chunk")
        g.kill("camera")
        learner.held.clear()  # what it held for before
        g.wait(lambda: any("third_view" in each for each in learner.held), 30, "what it holds for")
        planned = len(learner.plans)
        assert "holding: " in g.log("policy")
        g.wait(lambda: any(m.state == "faulted" for m in learner.seen["session"]), 30, "the fault")
        assert len(learner.plans) == planned
