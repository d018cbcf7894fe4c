from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from zprl_core import rotation
from zprl_core import transforms as tf
from zprl_core.errors import DataError
from zprl_core.transforms import Pose

HALF = math.sqrt(0.5)
unit = st.tuples(*[st.floats(-1, 1)] * 4).map(np.array).filter(lambda q: np.linalg.norm(q) > 0.1)
quaternions = unit.map(lambda q: q / np.linalg.norm(q))
vectors = st.tuples(*[st.floats(-2, 2)] * 3).map(np.array)


def same_rotation(a: np.ndarray, b: np.ndarray, within_rad: float = 1e-7) -> bool:
    return bool((tf.angle_between(a, b) < within_rad).all())


def test_a_quarter_turn_about_z() -> None:
    quarter = tf.quaternion_from_rotvec([0, 0, math.pi / 2])
    np.testing.assert_allclose(quarter, [HALF, 0, 0, HALF], atol=1e-12)
    np.testing.assert_allclose(tf.rotate(quarter, [1, 0, 0]), [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(
        tf.matrix_from_quaternion(quarter), [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12
    )


def test_six_numbers_are_the_first_two_columns() -> None:
    quarter = tf.quaternion_from_rotvec([0, 0, math.pi / 2])
    np.testing.assert_allclose(tf.rot6d_from_quaternion(quarter), [0, 1, 0, -1, 0, 0], atol=1e-12)


def test_gram_schmidt_keeps_the_first_column() -> None:
    # (2, 0, 0) and (1, 3, 0): the first is only scaled, the second loses its part along x.
    np.testing.assert_allclose(tf.quaternion_from_rot6d([2, 0, 0, 1, 3, 0]), [1, 0, 0, 0], atol=1e-12)


def test_product_turns_with_the_right_factor_first() -> None:
    about_x = tf.quaternion_from_rotvec([math.pi / 2, 0, 0])
    about_z = tf.quaternion_from_rotvec([0, 0, math.pi / 2])
    # y -> z about x, then z stays about z.
    np.testing.assert_allclose(
        tf.rotate(tf.quaternion_multiply(about_z, about_x), [0, 1, 0]), [0, 0, 1], atol=1e-12
    )


def test_slerp_goes_the_short_way() -> None:
    start, end = tf.quaternion_from_rotvec([0, 0, 0.2]), -tf.quaternion_from_rotvec([0, 0, 0.6])
    assert same_rotation(tf.slerp(start, end, 0.5), tf.quaternion_from_rotvec([0, 0, 0.4]))
    several = tf.slerp(start, end, [0.0, 0.25, 1.0])
    assert same_rotation(several, tf.quaternion_from_rotvec([[0, 0, 0.2], [0, 0, 0.3], [0, 0, 0.6]]))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_is_refused(bad: float) -> None:
    with pytest.raises(DataError, match="must be finite"):
        tf.rotvec_from_quaternion([1, bad, 0, 0])
    with pytest.raises(DataError, match="must be finite"):
        tf.quaternion_from_rot6d([[1, 0, 0, 0, 1, bad]])
    with pytest.raises(DataError, match="must be finite"):
        Pose(np.array([0, 0, bad]))


def test_what_names_no_rotation_is_refused() -> None:
    with pytest.raises(DataError, match="length"):
        tf.normalise_quaternion([0, 0, 0, 0])
    with pytest.raises(DataError, match="second column"):
        tf.quaternion_from_rot6d([1, 0, 0, 2, 0, 0])
    with pytest.raises(DataError, match="not a rotation"):
        tf.quaternion_from_matrix(np.diag([1.0, 1.0, -1.0]))
    with pytest.raises(DataError, match="shape"):
        tf.quaternion_from_rotvec([1.0, 2.0])


def test_a_pose_cannot_be_changed() -> None:
    given_position = np.zeros(3)
    pose = Pose(given_position)
    given_position[0] = 1.0
    assert pose.position[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        pose.position[0] = 1.0


@given(quaternions)
def test_every_form_of_a_rotation_leads_back(q: np.ndarray) -> None:
    assert same_rotation(tf.quaternion_from_rotvec(tf.rotvec_from_quaternion(q)), q)
    assert same_rotation(tf.quaternion_from_rot6d(tf.rot6d_from_quaternion(q)), q)
    assert same_rotation(tf.quaternion_from_matrix(tf.matrix_from_quaternion(q)), q)


@given(vectors.filter(lambda v: np.linalg.norm(v) > 0.1), st.floats(-1e-6, 1e-6))
def test_round_trip_near_pi(axis: np.ndarray, off: float) -> None:
    rotvec = axis / np.linalg.norm(axis) * (math.pi + off)
    q = tf.quaternion_from_rotvec(rotvec)
    back = tf.rotvec_from_quaternion(q)
    assert np.linalg.norm(back) <= math.pi + 1e-9
    assert same_rotation(tf.quaternion_from_rotvec(back), q)


@given(quaternions, quaternions, vectors)
def test_agrees_with_scipy(a: np.ndarray, b: np.ndarray, v: np.ndarray) -> None:
    first, second = (Rotation.from_quat(np.roll(q, -1)) for q in (a, b))
    np.testing.assert_allclose(
        tf.rotate(tf.quaternion_multiply(a, b), v), (first * second).apply(v), atol=1e-9
    )
    assert abs(float(tf.angle_between(a, b)) - (first.inv() * second).magnitude()) < 1e-6


@given(quaternions, quaternions, vectors, vectors, vectors)
def test_poses_form_a_group(
    a: np.ndarray, b: np.ndarray, p: np.ndarray, q: np.ndarray, x: np.ndarray
) -> None:
    first, second = Pose(p, a), Pose(q, b)
    np.testing.assert_allclose(
        first.compose(second).transform(x), first.transform(second.transform(x)), atol=1e-9
    )
    np.testing.assert_allclose(first.inverse().transform(first.transform(x)), x, atol=1e-9)
    np.testing.assert_allclose(first.compose(second).matrix(), first.matrix() @ second.matrix(), atol=1e-9)


@given(st.lists(quaternions, min_size=1, max_size=6), quaternions)
def test_continuous_quaternions_stay_on_one_side(many: list[np.ndarray], before: np.ndarray) -> None:
    chain = tf.make_continuous(np.array(many), before=before)
    neighbours = np.sum(np.concatenate((before[None], chain[:-1])) * chain, axis=-1)
    assert (neighbours >= 0).all()
    assert same_rotation(chain, np.array(many))


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(1, 4), st.randoms())
def test_leading_axes_are_free(rows: int, columns: int, random: object) -> None:
    generator = np.random.default_rng(random.randrange(1 << 30))  # type: ignore[attr-defined]
    rotvecs = generator.normal(size=(rows, columns, 3))
    q = tf.quaternion_from_rotvec(rotvecs)
    assert q.shape == (rows, columns, 4)
    assert tf.matrix_from_quaternion(q).shape == (rows, columns, 3, 3)
    assert tf.rot6d_from_quaternion(q).shape == (rows, columns, 6)
    np.testing.assert_allclose(q[-1, -1], tf.quaternion_from_rotvec(rotvecs[-1, -1]))


@given(st.tuples(*[st.floats(-math.pi, math.pi)] * 3))
def test_a_quaternion_from_axes_is_that_of_the_matrix(rotvec: tuple[float, ...]) -> None:
    matrix = Rotation.from_rotvec(rotvec).as_matrix()
    x, y, z = (tuple(matrix[:, column].tolist()) for column in range(3))
    found = np.array(rotation.from_axes(x, y, z))
    assert found[0] >= 0.0
    np.testing.assert_allclose(tf.matrix_from_quaternion(found), matrix, atol=1e-12)


@pytest.mark.parametrize("half_turn", [(math.pi, 0, 0), (0, math.pi, 0), (0, 0, math.pi)])
def test_a_half_turn_about_each_axis_has_a_quaternion(half_turn: tuple[float, ...]) -> None:
    matrix = Rotation.from_rotvec(half_turn).as_matrix()
    found = rotation.from_axes(*(tuple(matrix[:, column].tolist()) for column in range(3)))
    np.testing.assert_allclose(
        np.abs(found), [0.0, *(abs(angle) / math.pi for angle in half_turn)], atol=1e-9
    )
