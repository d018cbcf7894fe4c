# SPDX-License-Identifier: Apache-2.0
"""A picture's way from driver to policy, rehearsed: what the camera node and the policy node do with it.

`send` and `receive` run in processes of their own, as the nodes do, on topics of their own. ROS is imported
there, once its environment is set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from zprl_cameras.picture import Fit, Part, Size

WARM_UP = 10  # pictures that are not counted: the first ones open the way
PATIENCE_S = 8.0  # until the processes have found each other
_LOOK_S = 0.01


@dataclass(frozen=True)
class Stream:
    """Pictures of one camera: (height, width) of the device's and of the task's, and what is cut out."""

    name: str
    size: Size
    view: Size
    crop: Part | None
    rate_hz: float

    @property
    def topic(self) -> str:
        """Not the camera's own, whose graph may run."""
        return f"/doctor/{self.name}/image"

    def pictures(self, seconds: float) -> int:
        """How many are counted."""
        return max(2, round(seconds * self.rate_hz))


def send(stream: Stream, environment: Mapping[str, str], seconds: float) -> int:
    """Fit and publish pictures of noise at the camera's rate until nobody listens; how many were sent."""
    os.environ.update(environment)
    import rclpy
    from sensor_msgs.msg import Image

    from zprl_bringup import convert, qos

    fit, picture = Fit(stream.size, stream.view, stream.crop), _noise(stream.size)
    rclpy.init()
    publisher = rclpy.create_node(f"send_{stream.name}").create_publisher(
        Image, stream.topic, qos.stream(False)
    )
    _until(lambda: publisher.get_subscription_count() > 0, PATIENCE_S)
    began_s, sent = time.monotonic(), 0
    while publisher.get_subscription_count() > 0 and time.monotonic() - began_s < PATIENCE_S + seconds:
        stamp_ns = time.time_ns()
        publisher.publish(convert.image_message(fit(picture), stamp_ns, stream.name))
        sent += 1
        time.sleep(max(0.0, began_s + sent / stream.rate_hz - time.monotonic()))
    rclpy.shutdown()
    return sent


def receive(
    streams: Sequence[Stream], environment: Mapping[str, str], seconds: float
) -> dict[str, list[float]]:
    """Ages of each stream's pictures when the policy could use them, s; as many as came in time."""
    os.environ.update(environment)
    import rclpy
    from rclpy.experimental.events_executor import EventsExecutor
    from sensor_msgs.msg import Image

    from zprl_bringup import qos

    rclpy.init()
    node, executor = rclpy.create_node("receive"), EventsExecutor()
    ages: dict[str, list[float]] = {stream.name: [] for stream in streams}
    for stream in streams:
        noted = partial(_note, ages[stream.name])
        node.create_subscription(Image, stream.topic, noted, qos.stream(False))
    executor.add_node(node)
    end_s = time.monotonic() + PATIENCE_S + seconds
    wanted = {stream.name: WARM_UP + stream.pictures(seconds) for stream in streams}
    while time.monotonic() < end_s and any(len(ages[name]) < count for name, count in wanted.items()):
        executor.spin_once(timeout_sec=0.1)
    rclpy.shutdown()
    return {name: found[WARM_UP : wanted[name]] for name, found in ages.items()}


def _note(ages_s: list[float], message: Any) -> None:
    from zprl_bringup import convert

    convert.image_array(message).copy()  # snapshots keep their own
    ages_s.append((time.time_ns() - convert.stamp_ns(message)) * 1e-9)


def _noise(size: Size) -> Any:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


def _until(condition: Callable[[], bool], patience_s: float) -> None:
    end_s = time.monotonic() + patience_s
    while not condition() and time.monotonic() < end_s:
        time.sleep(_LOOK_S)
