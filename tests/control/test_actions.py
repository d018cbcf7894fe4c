from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.actions import ActionCodec, ArmWaypoints, Rotation
from zprl_core.errors import ConfigError, DataError
from zprl_core.transforms import angle_between, quaternion_from_rotvec, rotate

DOWN = (0.0, 1.0, 0.0, 0.0)  # half a turn about x: the tool's z axis points down


@pytest.mark.parametrize(
    ("rotation", "arms", "gripper", "dim"),
    [
        ("rotvec", 1, False, 6),  # Flip Egg
        ("rotvec", 1, True, 7),  # Place Orange
        ("rot6d", 1, True, 10),  # Robomimic
        ("rot6d", 2, True, 20),  # Robomimic, two arms
        ("quat", 2, True, 16),  # Open Box, Insert Bills
    ],
)
def test_dimensions_of_the_paper(rotation: Rotation, arms: int, gripper: bool, dim: int) -> None:
    assert ActionCodec(rotation, arms, gripper).dim == dim


def test_the_identity_is_the_reference() -> None:
    codec = ActionCodec("rotvec", 1, True, DOWN)
    (arm,) = codec.decode([[0.3, -0.1, 0.2, 0.0, 0.0, 0.0, 0.05]])
    np.testing.assert_allclose(arm.position, [[0.3, -0.1, 0.2]])
    np.testing.assert_allclose(rotate(arm.quaternion, [[0, 0, 1]]), [[0, 0, -1]], atol=1e-12)
    assert arm.gripper_width is not None
    np.testing.assert_allclose(arm.gripper_width, [0.05])


def test_the_action_turns_about_the_tool_axes() -> None:
    # Tool down, then a quarter turn about the *tool's* z: its x axis goes to its y, which is -y of the base.
    (arm,) = ActionCodec("rotvec", 1, False, DOWN).decode([[0, 0, 0, 0, 0, math.pi / 2]])
    np.testing.assert_allclose(rotate(arm.quaternion, [[1, 0, 0]]), [[0, -1, 0]], atol=1e-12)


def test_two_arms_lie_side_by_side() -> None:
    codec = ActionCodec("quat", 2, True)
    action = np.array([[1, 2, 3, 1, 0, 0, 0, 0.01, 4, 5, 6, 0, 1, 0, 0, 0.02]], dtype=float)
    left, right = codec.decode(action)
    np.testing.assert_allclose(left.position, [[1, 2, 3]])
    np.testing.assert_allclose(right.position, [[4, 5, 6]])
    np.testing.assert_allclose(right.quaternion, [[0, 1, 0, 0]])
    parts = codec.split(action)
    assert [part.shape for part in parts] == [(1, 8), (1, 8)]
    (alone,) = codec.single_arm().decode(parts[1])
    np.testing.assert_allclose(alone.quaternion, right.quaternion)


def test_quaternions_do_not_flip_within_a_chunk() -> None:
    codec = ActionCodec("quat", 1)
    turns = quaternion_from_rotvec([[0, 0, a] for a in np.linspace(3.0, 3.4, 5)])
    turns[2] *= -3.0  # a network's output: another sign, another length
    (arm,) = codec.decode(np.concatenate((np.zeros((5, 3)), turns), axis=1))
    np.testing.assert_allclose(np.linalg.norm(arm.quaternion, axis=1), 1.0)
    assert (np.sum(arm.quaternion[1:] * arm.quaternion[:-1], axis=1) > 0).all()


def test_raw_actions_pass_through() -> None:
    codec = ActionCodec("none", raw_dim=26)
    actions = np.arange(52, dtype=np.float32).reshape(2, 26)
    np.testing.assert_array_equal(codec.check(actions), actions)
    assert codec.dim == 26
    with pytest.raises(DataError, match="not poses"):
        codec.decode(actions)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.full((2, 7), np.nan), "must be finite"),
        (np.zeros((2, 6)), r"\(\.\.\., 7\)"),
        (np.zeros(7), "H of 1 or more"),
        (np.zeros((0, 7)), "H of 1 or more"),
    ],
)
def test_bad_chunks_are_refused(actions: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ActionCodec("rotvec", 1, True).decode(actions)


@dataclass(frozen=True)
class Layout:
    dim: int
    rotation: Rotation = "rotvec"
    arms: int = 1
    gripper: bool = True
    reference_quat_wxyz: tuple[float, float, float, float] = DOWN


def test_codec_of_a_task() -> None:
    assert ActionCodec.from_config(Layout(7)) == ActionCodec("rotvec", 1, True, DOWN)
    assert ActionCodec.from_config(Layout(4, "none")).dim == 4
    with pytest.raises(ConfigError, match=r"action\.dim: 8.*make 7"):
        ActionCodec.from_config(Layout(8))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ActionCodec("euler"),  # type: ignore[arg-type]
        lambda: ActionCodec("rotvec", 0),
        lambda: ActionCodec("none"),
        lambda: ActionCodec("quat", raw_dim=4),
        lambda: ActionCodec("quat", reference_quat_wxyz=(0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_bad_layouts_are_refused(make: object) -> None:
    with pytest.raises(ConfigError, match=r"action\."):
        make()  # type: ignore[operator]


numbers = st.floats(-1.0, 1.0)
turns = st.tuples(numbers, numbers, numbers).map(lambda r: tuple(3.0 * x / math.sqrt(3) for x in r))


@given(
    st.sampled_from(["rotvec", "rot6d", "quat"]),
    st.integers(1, 2),
    st.booleans(),
    turns,
    st.lists(st.tuples(numbers, numbers, numbers, turns, st.floats(0, 0.1)), min_size=1, max_size=4),
)
def test_encode_and_decode_are_inverse(
    rotation: Rotation, arms: int, gripper: bool, reference: tuple[float, ...], steps: list[tuple]
) -> None:
    w, x, y, z = quaternion_from_rotvec(reference)
    codec = ActionCodec(rotation, arms, gripper, (w, x, y, z))
    arm = ArmWaypoints(
        np.array([s[:3] for s in steps]),
        quaternion_from_rotvec([s[3] for s in steps]),
        np.array([s[4] for s in steps]) if gripper else None,
    )
    actions = codec.encode([arm] * arms)
    assert actions.shape == (len(steps), codec.dim)
    for back in codec.decode(actions):
        np.testing.assert_allclose(back.position, arm.position, atol=1e-12)
        assert (angle_between(back.quaternion, arm.quaternion) < 1e-6).all()
        if arm.gripper_width is not None and back.gripper_width is not None:
            np.testing.assert_allclose(back.gripper_width, arm.gripper_width)


def test_encode_wants_every_arm() -> None:
    arm = ArmWaypoints(np.zeros((2, 3)), np.tile([1.0, 0, 0, 0], (2, 1)))
    with pytest.raises(DataError, match="expected 2 arm"):
        ActionCodec("quat", 2).encode([arm])
    with pytest.raises(DataError, match="no gripper width"):
        ActionCodec("quat", 1, True).encode([arm])
