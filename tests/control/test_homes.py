"""Which arms count as at home for a reset, by hand."""

from __future__ import annotations

import numpy as np

from zprl_core.config import load_rig
from zprl_core.session import Homes

RIG = load_rig("dual_open_box")
HOMES_RAD = {arm.name: np.array(arm.homing.joints_rad) for arm in RIG.arms}


def homes(sequence: int) -> Homes:
    """Both arms have gone home for a sequence, and are there."""
    made = Homes(RIG.arms)
    for name, joints in HOMES_RAD.items():
        made.on_state(name, sequence, joints.tolist(), shadow=False)
    return made


def test_every_reset_needs_a_way_home_of_its_own() -> None:
    """That the arms were at home for an earlier one, of the same episode perhaps, does not count."""
    assert homes(7).problem(7) == "" and homes(8).problem(7) == ""
    assert homes(6).problem(7) == "arm 'left' has not gone home; arm 'right' has not gone home"
    assert homes(0).problem(1).startswith("arm 'left' has not gone home")


def test_an_arm_that_was_moved_from_its_home_is_named() -> None:
    made, moved = homes(7), HOMES_RAD["right"].copy()
    moved[3] += 0.05
    made.on_state("right", 7, moved.tolist(), shadow=False)
    assert made.problem(7) == (
        "arm 'right' was at home, and joint 4 is 0.050 rad from there now, allowed 0.02 rad "
        "(homing.tolerance_rad); was it moved?"
    )
    made.on_state("right", 7, moved.tolist(), shadow=True)
    assert made.problem(7) == "", "nothing moves it home in shadow mode"


def test_simulated_arms_do_not_count() -> None:
    made = Homes(load_rig("sim_xarm6").arms)
    assert not made and made.problem(3) == "" and list(made) == []
