"""Rotations that come near the place where they change their sign are refused, with a better reference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.data.episode import check_turns
from zprl_core.errors import DataError
from zprl_core.transforms import quaternion_from_rotvec


def turning(rotation: str, *degrees: float, reference: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)) -> None:
    """A tool that is turned about z by so much, from one tick to the next."""
    codec = ActionCodec(rotation, gripper=False, reference_quat_wxyz=reference)  # type: ignore[arg-type]
    turns = quaternion_from_rotvec([[0.0, 0.0, math.radians(each)] for each in degrees])
    actions = codec.encode([ArmWaypoints(np.zeros((len(turns), 3)), turns, None)])
    check_turns("demos", codec, actions.astype(np.float32))


@pytest.mark.parametrize("rotation", ["rotvec", "quat"])
def test_a_tool_that_turns_through_half_a_turn(rotation: str) -> None:
    turning(rotation, 0.0, 90.0, 160.0, -160.0)
    said = (
        r"demos: tick 2: turned by 178 degrees from action\.reference_quat_wxyz; "
        rf"{rotation} changes its sign at 180, allowed: 165\. .* here \[0\.\d+, 0\.000, 0\.000, 0\.\d+\]"
    )
    with pytest.raises(DataError, match=said):
        turning(rotation, 150.0, 170.0, 182.0, 190.0)


def test_the_reference_that_is_told_is_one_with_which_it_can_be_said() -> None:
    degrees = (150.0, 170.0, 182.0, 190.0)
    with pytest.raises(DataError) as refused:
        turning("rotvec", *degrees)
    told = str(refused.value).split("[")[1].split("]")[0]
    turning("rotvec", *degrees, reference=tuple(float(each) for each in told.split(", ")))


def test_six_numbers_have_no_such_place() -> None:
    turning("rot6d", 150.0, 170.0, 182.0, 190.0)


def test_of_two_arms_the_one_is_named() -> None:
    codec = ActionCodec("quat", arms=2)
    still = ArmWaypoints(np.zeros((1, 3)), quaternion_from_rotvec([[0.0, 0.0, 0.0]]), None)
    turned = ArmWaypoints(np.zeros((1, 3)), quaternion_from_rotvec([[0.0, math.pi, 0.0]]), None)
    with pytest.raises(DataError, match="tick 0: arm 1 is turned by 180 degrees"):
        check_turns("demos", codec, codec.encode([still, turned]).astype(np.float32))
