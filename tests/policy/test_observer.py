# SPDX-License-Identifier: Apache-2.0
"""What the policy node waits for, from a rig's calibration."""

from __future__ import annotations

import dataclasses

import pytest

from zprl_core.config import load_rig, load_task
from zprl_core.observation import camera_delays


@pytest.mark.parametrize(("lockstep", "expected"), [(False, 0.03), (True, 0.0)])
def test_the_rigs_delays_count_outside_lockstep(lockstep: bool, expected: float) -> None:
    rig = load_rig("sim_xarm6")
    slow = tuple(dataclasses.replace(camera, delay_s=0.03) for camera in rig.cameras)
    late = dataclasses.replace(rig, cameras=slow)
    assert camera_delays(late, load_task("place_orange_demo"), lockstep=lockstep) == [
        ("third_view", expected)
    ]
