"""Messages to numpy and back, and stamps to nanoseconds. No copies where the wire format allows it.

Quaternions are (w, x, y, z) in numpy, as everywhere in zprl_core; only `geometry_msgs` names its fields.
"""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose
from numpy.typing import ArrayLike, NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from zprl_interfaces.msg import PlannedChunk

from zprl_core.errors import DataError
from zprl_core.grid import SECOND_NS
from zprl_core.planned import PLAN_ARRAYS, Plan, plan_of


def time_message(stamp_ns: int) -> Time:
    """Nanoseconds to a ROS time."""
    seconds, nanoseconds = divmod(int(stamp_ns), SECOND_NS)
    return Time(sec=seconds, nanosec=nanoseconds)


def time_ns(stamp: Time) -> int:
    """A ROS time to nanoseconds."""
    return int(stamp.sec) * SECOND_NS + int(stamp.nanosec)


def header(stamp_ns: int, frame_id: str = "") -> Header:
    """A header with a stamp in nanoseconds."""
    return Header(stamp=time_message(stamp_ns), frame_id=frame_id)


def stamp_ns(message: Any) -> int:
    """Stamp of a message that has a header, ns."""
    return time_ns(message.header.stamp)


def doubles(values: ArrayLike) -> array.array[float]:
    """Numbers of any shape, row-major, for a `float64[]` field (which takes this type without a loop)."""
    return array.array("d", np.ascontiguousarray(values, dtype=np.float64).tobytes())


def floats(values: ArrayLike) -> array.array[float]:
    """Numbers of any shape, row-major, for a `float32[]` field."""
    return array.array("f", np.ascontiguousarray(values, dtype=np.float32).tobytes())


def octets(data: bytes) -> array.array[int]:
    """Bytes for a `uint8[]` field."""
    return array.array("B", data)


def vector(field: array.array[float]) -> NDArray[np.float64]:
    """A `float64[]` field as a read-only view, shape (n,)."""
    return _view(field, np.float64)


def vector32(field: array.array[float]) -> NDArray[np.float32]:
    """A `float32[]` field as a read-only view, shape (n,)."""
    return _view(field, np.float32)


def matrix(field: array.array[float], columns: int, what: str) -> NDArray[np.float64]:
    """A row-major `float64[]` field as a read-only view, shape (rows, columns).

    Raises:
        DataError: the field's length is not a multiple of `columns`; the message names `what`.
    """
    flat = vector(field)
    if columns < 1 or flat.size % columns:
        raise DataError(f"{what}: {flat.size} numbers do not make rows of {columns}")
    return flat.reshape(-1, columns)


def plan(message: PlannedChunk) -> Plan:
    """The plan that a message holds.

    Raises:
        DataError: numbers that do not make whole waypoints.
    """
    columns, arrays = (
        int(message.dim),
        {name: vector32(getattr(message, name)).copy() for name in PLAN_ARRAYS},
    )
    for name in ("w", "actions"):
        if columns < 1 or arrays[name].size % columns:
            raise DataError(f"planned chunk: {name} has {arrays[name].size} numbers, no rows of {columns}")
        arrays[name] = arrays[name].reshape(-1, columns)
    return plan_of(arrays, float(message.scale))


def pose_message(position: ArrayLike, quaternion_wxyz: ArrayLike) -> Pose:
    """Position (3,), m, and unit quaternion (w, x, y, z) to a pose."""
    pose = Pose()
    pose.position.x, pose.position.y, pose.position.z = (float(v) for v in np.asarray(position))
    w, x, y, z = (float(v) for v in np.asarray(quaternion_wxyz))
    pose.orientation.w, pose.orientation.x, pose.orientation.y, pose.orientation.z = w, x, y, z
    return pose


def pose_arrays(pose: Pose) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A pose to position (3,), m, and quaternion (w, x, y, z)."""
    p, q = pose.position, pose.orientation
    return np.array([p.x, p.y, p.z]), np.array([q.w, q.x, q.y, q.z])


def image_message(frame: NDArray[np.uint8], at_ns: int, frame_id: str) -> Image:
    """An RGB frame, uint8 (height, width, 3), to a message that shares its memory.

    The pixels go in behind the field's setter: the setter checks every byte (90 to 190 ms for a VGA frame),
    and the serialiser reads any contiguous buffer of bytes. The frame must not change until it is published.
    """
    height, width = frame.shape[:2]
    message = Image(
        header=header(at_ns, frame_id), height=height, width=width, encoding="rgb8", step=3 * width
    )
    message._data = np.ascontiguousarray(frame, dtype=np.uint8).reshape(-1)
    return message


def depth_message(depth_mm: NDArray[np.uint16], at_ns: int, frame_id: str) -> Image:
    """Depth, mm, uint16 (height, width), 0 where unknown, to a 16UC1 message that shares its memory."""
    height, width = depth_mm.shape
    message = Image(
        header=header(at_ns, frame_id), height=height, width=width, encoding="16UC1", step=2 * width
    )
    message._data = np.ascontiguousarray(depth_mm, dtype="<u2").reshape(-1).view(np.uint8)
    return message


def image_array(message: Image) -> NDArray[np.uint8]:
    """An rgb8 message to a read-only view, uint8 (height, width, 3).

    Raises:
        DataError: another encoding, or a size that its own header contradicts.
    """
    height, width = int(message.height), int(message.width)
    if message.encoding != "rgb8" or len(message.data) != height * width * 3:
        raise DataError(
            f"image of {message.header.frame_id or 'an unnamed camera'}: "
            f"{message.encoding} {height}x{width} with "
            f"{len(message.data)} bytes, expected rgb8 with {height * width * 3}"
        )
    return _view(message.data, np.uint8).reshape(height, width, 3)


def _view(field: Any, dtype: Any) -> NDArray[Any]:
    view = np.frombuffer(field, dtype=dtype) if len(field) else np.empty(0, dtype)
    view.flags.writeable = False
    return view
