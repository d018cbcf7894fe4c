"""Messages to numpy and back, through ROS's own serialisation."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from zprl_bringup import convert
from zprl_core.errors import DataError


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_keep_every_nanosecond(stamp_ns: int) -> None:
    assert convert.time_ns(convert.time_message(stamp_ns)) == stamp_ns


def test_an_image_is_not_copied_and_arrives_byte_for_byte() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    message = convert.image_message(frame, 5, "camera_x")
    assert np.shares_memory(message._data, frame)
    checked = Image(header=message.header, height=7, width=5, encoding="rgb8", step=15, data=frame.tobytes())
    arrived = deserialize_message(
        serialize_message(message), Image
    )  # their bytes differ: CDR leaves gaps unset
    assert arrived == deserialize_message(serialize_message(checked), Image)
    back = convert.image_array(arrived)
    np.testing.assert_array_equal(back, frame)
    assert not back.flags.writeable


def test_a_frame_that_is_not_contiguous_is_made_so() -> None:
    frame = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)[:, ::-1]
    back = convert.image_array(
        deserialize_message(serialize_message(convert.image_message(frame, 0, "c")), Image)
    )
    np.testing.assert_array_equal(back, frame)


def test_depth_is_little_endian_millimetres_and_not_copied() -> None:
    depth = np.array([[0, 1, 258], [65535, 1000, 7]], np.uint16)
    message = convert.depth_message(depth, 5, "camera_x")
    assert np.shares_memory(message._data, depth)
    checked = Image(header=message.header, height=2, width=3, encoding="16UC1", step=6, data=depth.tobytes())
    arrived, expected = (deserialize_message(serialize_message(each), Image) for each in (message, checked))
    assert arrived == expected
    assert list(message._data[:6]) == [0, 0, 1, 0, 2, 1]


def test_another_encoding_is_refused_by_name() -> None:
    message = convert.image_message(np.zeros((2, 2, 3), np.uint8), 0, "camera_x")
    message.encoding = "bgr8"
    with pytest.raises(DataError, match="camera_x: bgr8 2x2"):
        convert.image_array(message)


def test_numbers_keep_their_bits_and_their_shape() -> None:
    values = np.array([[1.5, np.nan], [-0.0, np.inf]])
    field = convert.doubles(values)
    np.testing.assert_array_equal(convert.matrix(field, 2, "x"), values)
    np.testing.assert_array_equal(convert.vector32(convert.floats(values)), values.astype(np.float32).ravel())
    assert convert.vector(convert.doubles([])).shape == (0,)
    with pytest.raises(DataError, match="x: 4 numbers do not make rows of 3"):
        convert.matrix(field, 3, "x")


def test_poses_keep_w_first() -> None:
    pose = convert.pose_message([1.0, 2.0, 3.0], [0.5, 0.5, -0.5, 0.5])
    assert pose.orientation.w == 0.5 and pose.orientation.y == -0.5
    position, quaternion = convert.pose_arrays(pose)
    np.testing.assert_array_equal(position, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(quaternion, [0.5, 0.5, -0.5, 0.5])
