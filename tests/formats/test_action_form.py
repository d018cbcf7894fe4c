"""Rotations and grippers of other datasets, by hand and by property."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from zprl_core.actions import ActionCodec
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.choices import ROTATION_FORMS
from zprl_core.data.formats.gripper import GripperScale
from zprl_core.errors import ConfigError, DataError

HALF = math.sqrt(0.5)
QUARTER_TURN_ABOUT_Z = {  # x axis to y: the matrix is [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    "rotvec": [0, 0, math.pi / 2],
    "rot6d": [0, 1, 0, -1, 0, 0],
    "rot6d_rows": [0, -1, 0, 1, 0, 0],
    "quat_wxyz": [HALF, 0, 0, HALF],
    "quat_xyzw": [0, 0, HALF, HALF],
}
TO_TASK = {"rotvec": "rotvec", "rot6d": "rot6d", "quat": "quat_wxyz"}


@pytest.mark.parametrize("form", QUARTER_TURN_ABOUT_Z)
@pytest.mark.parametrize("task", TO_TASK)
def test_a_quarter_turn_reads_and_writes_the_same_in_every_form(form: str, task: str) -> None:
    codec = ActionCodec(task)
    here = np.array([[0.1, 0.2, 0.3, *QUARTER_TURN_ABOUT_Z[form]]])
    there = np.array([[0.1, 0.2, 0.3, *QUARTER_TURN_ABOUT_Z[TO_TASK[task]]]])
    np.testing.assert_allclose(ActionForm(codec, form).forward(here), there, atol=1e-6)
    np.testing.assert_allclose(ActionForm(codec, form).inverse(there), here, atol=1e-6)


def test_rotations_become_relative_to_the_tasks_reference() -> None:
    """A tool that points down, half a turn about x, is the identity of a task with that reference."""
    form = ActionForm(ActionCodec("rotvec", reference_quat_wxyz=(0.0, 1.0, 0.0, 0.0)), "quat_xyzw")
    down = np.array([[0.1, 0.2, 0.3, 1.0, 0.0, 0.0, 0.0]])
    np.testing.assert_allclose(form.forward(down), [[0.1, 0.2, 0.3, 0, 0, 0]], atol=1e-6)
    as_it_is = ActionForm(form.codec, "task")
    np.testing.assert_allclose(
        as_it_is.forward([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]), [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]
    )


def test_rows_taken_for_columns_would_be_the_inverse_rotation() -> None:
    turn = Rotation.from_rotvec([0.3, -0.5, 0.7])
    rows = np.concatenate([[0, 0, 0], turn.as_matrix()[:2].ravel()])[None]
    right = ActionForm(ActionCodec("rotvec"), "rot6d_rows").forward(rows)
    wrong = ActionForm(ActionCodec("rotvec"), "rot6d").forward(rows)
    np.testing.assert_allclose(right[0, 3:], [0.3, -0.5, 0.7], atol=1e-6)
    np.testing.assert_allclose(wrong[0, 3:], [-0.3, 0.5, -0.7], atol=1e-6)


_angles = st.floats(-1.7, 1.7)  # a rotation vector shorter than pi
_numbers = st.tuples(*[st.floats(-2, 2)] * 3, _angles, _angles, _angles, st.floats(0.0, 0.08))


@given(
    ticks=st.lists(st.tuples(_numbers, _numbers), min_size=1, max_size=4),
    form=st.sampled_from([form for form in ROTATION_FORMS if form != "task"]),
    task=st.sampled_from(sorted(TO_TASK)),
)
def test_forward_undoes_inverse_for_two_arms(ticks: list, form: str, task: str) -> None:
    panda = GripperScale(open_command=-1.0, open_width_m=0.08, closed_command=1.0, closed_width_m=0.0)
    plain = ActionForm(ActionCodec(task, 2, True, (0.0, 1.0, 0.0, 0.0)), "rotvec")
    actions = plain.forward(np.array([[*left, *right] for left, right in ticks]))
    other = ActionForm(plain.codec, form, panda)
    written = other.inverse(actions)
    assert written.shape == (len(ticks), other.dim)
    assert (np.abs(written[:, [other.arm_dim - 1, -1]]) <= 1.0).all()
    for one, two in zip(plain.codec.decode(actions), plain.codec.decode(other.forward(written)), strict=True):
        np.testing.assert_allclose(two.position, one.position, atol=1e-5)
        np.testing.assert_allclose(np.abs(np.sum(two.quaternion * one.quaternion, axis=1)), 1.0, atol=1e-5)
        np.testing.assert_allclose(two.gripper_width, one.gripper_width, atol=1e-6)


def test_the_gripper_by_hand() -> None:
    scale = GripperScale(open_command=0.0, open_width_m=0.085, closed_command=255.0, closed_width_m=0.005)
    np.testing.assert_allclose(scale.forward([0.0, 127.5, 255.0]), [0.085, 0.045, 0.005])
    np.testing.assert_allclose(scale.inverse([0.085, 0.045, 0.005]), [0.0, 127.5, 255.0])
    with pytest.raises(DataError, match=r"command 300 at tick 1 is not within closed = 255 and open = 0"):
        scale.forward([0.0, 300.0])
    with pytest.raises(DataError, match=r"width 0\.1 at tick 0 is not within"):
        scale.inverse([0.1])
    with pytest.raises(DataError, match="finite"):
        scale.forward([np.nan])


@pytest.mark.parametrize(
    "numbers", [(1, 0.08, 1, 0), (-1, 0.0, 1, 0.08), (-1, 0.08, 1, -0.01), (-1, math.inf, 1, 0)]
)
def test_a_scale_that_makes_no_sense_is_refused(numbers: tuple[float, float, float, float]) -> None:
    with pytest.raises(ConfigError, match="--gripper-"):
        GripperScale(*numbers)


def test_what_does_not_fit_is_named() -> None:
    pose = ActionCodec("rot6d", gripper=True)
    with pytest.raises(
        DataError, match=r"shape \(2, 10\), must be \(T, 7\): 1 arm\(s\) with gripper, rotation 'rotvec'"
    ):
        ActionForm(pose, "rotvec").forward(np.zeros((2, 10)))
    with pytest.raises(DataError, match="action: value nan"):
        ActionForm(pose, "rotvec").forward(np.full((1, 7), np.nan))
    with pytest.raises(DataError, match="no direction"):
        ActionForm(pose, "rot6d").forward(np.zeros((1, 10)))
    with pytest.raises(ConfigError, match="unknown, allowed: task, rotvec"):
        ActionForm(pose, "euler")
    with pytest.raises(ConfigError, match="they are no poses"):
        ActionForm(ActionCodec("none", raw_dim=4), "rotvec")
    with pytest.raises(ConfigError, match="no gripper; leave it out"):
        ActionForm(ActionCodec("rotvec"), "rotvec", GripperScale(-1, 0.08, 1, 0))
