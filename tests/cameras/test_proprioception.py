"""q from the arms' states: order, stamps, interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_cameras.proprioception import ArmSample, Assembler
from zprl_core.errors import RigError

ONE = ("arm/joint_position_rad", "arm/gripper_width_m")
TWO = ("left/joint_position_rad", "left/gripper_width_m", "right/gripper_width_m", "right/joint_position_rad")


def sample(stamp_ns: int, joints: list[float], width: float = 0.0) -> ArmSample:
    return ArmSample(stamp_ns, {"joint_position_rad": np.array(joints), "gripper_width_m": np.array([width])})


def test_one_arm_passes_through_in_order() -> None:
    assembler = Assembler(ONE)
    (joined,) = assembler.add("arm", sample(7, [1.0, 2.0], 0.05))
    assert joined.stamp_ns == 7
    np.testing.assert_array_equal(joined.q, [1.0, 2.0, 0.05])
    assert assembler.add("arm", sample(7, [1.0, 2.0], 0.05)) == []
    assert assembler.add("arm", sample(6, [1.0, 2.0], 0.05)) == []


def test_two_arms_wait_for_each_other_and_are_interpolated() -> None:
    assembler = Assembler(TWO)
    assert assembler.arms == ("left", "right")
    assert assembler.add("left", sample(10, [1.0], 0.1)) == []
    assert assembler.add("right", sample(5, [0.0], 0.0)) == []
    (joined,) = assembler.add("right", sample(15, [4.0], 0.2))
    assert joined.stamp_ns == 10
    np.testing.assert_allclose(joined.q, [1.0, 0.1, 0.1, 2.0])
    (equal,) = assembler.add("left", sample(15, [2.0], 0.3))
    np.testing.assert_allclose(equal.q, [2.0, 0.3, 0.2, 4.0])


def test_a_sample_before_the_other_arm_began_is_left_out() -> None:
    assembler = Assembler(TWO)
    assembler.add("left", sample(10, [1.0]))
    assembler.add("left", sample(20, [2.0]))
    (joined,) = assembler.add("right", sample(20, [3.0]))
    assert joined.stamp_ns == 20


def test_a_field_that_the_arm_lacks_is_named() -> None:
    with pytest.raises(RigError, match="arm 'arm' does not report gripper_width_m"):
        Assembler(ONE).add("arm", ArmSample(1, {"joint_position_rad": np.zeros(6)}))


@given(st.lists(st.tuples(st.sampled_from(["left", "right"]), st.integers(1, 9)), max_size=40))
def test_stamps_grow_and_values_are_the_arms_own(steps: list[tuple[str, int]]) -> None:
    """Each arm's value is its own time: joined at t it must be t."""
    assembler, now, stamps = Assembler(TWO), {"left": 0, "right": 0}, [-1]
    for arm, step in steps:
        now[arm] += step
        for joined in assembler.add(arm, sample(now[arm], [float(now[arm])], float(now[arm]))):
            assert joined.stamp_ns > stamps[-1]
            np.testing.assert_allclose(joined.q, np.full(4, joined.stamp_ns), rtol=1e-12)
            stamps.append(joined.stamp_ns)
