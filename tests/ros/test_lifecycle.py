"""What the arm's bridge does in each lifecycle state."""

from __future__ import annotations

import time
from pathlib import Path

from lifecycle_msgs.msg import Transition

from tests.ros.harness import graph
from tests.ros.observer import Observer
from zprl_core.plan import Block

UP = (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
DOWN = (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP)


def test_up_down_and_up_again(tmp_path: Path) -> None:
    with graph(tmp_path / "g", lockstep=False, blocks=(Block("base_c", "base_c", episodes=1),)) as g:
        bridge = g.start("bridge")
        with Observer(g.domain, "arm") as eyes:
            assert not eyes.change("bridge", UP[1])  # nothing is connected yet
            for _ in range(2):
                assert eyes.change("bridge", UP[0])
                silent = len(eyes.seen["arm"])
                time.sleep(0.3)
                assert len(eyes.seen["arm"]) == silent
                assert eyes.change("bridge", UP[1])
                g.wait(lambda: len(eyes.seen["arm"]) > silent + 10, 20, "states of the arm")  # noqa: B023
                assert {state.owner for state in eyes.seen["arm"]} == {"stop"}  # no session runs
                assert eyes.change("bridge", DOWN[0])
                assert eyes.change("bridge", DOWN[1])
        assert bridge.poll() is None
        assert g.stop() == {"bridge": 0}
