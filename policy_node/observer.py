"""The streams of a task, from messages to snapshots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image as ImageMessage
from zprl_interfaces.msg import Proprioception

from zprl_bringup import convert
from zprl_bringup.node import Setup
from zprl_core.errors import DataError
from zprl_core.observation import PROPRIOCEPTION, snapshots
from zprl_core.snapshot import Image, Snapshot, SnapshotError

AHEAD = {"capacity": 256, "vectors": 4096}
"""Samples that are kept where they come ahead of time."""


class Observer:
    """Subscribes to the task's cameras and to proprioception, and takes snapshots of them.

    Args:
        node: that subscribes.
        setup: of the session.
        profile: QoS of the streams.
        ahead_of_time: samples come faster than they are used, up to a whole chunk's, as in a replay.
        on_sample: called after every sample that was kept.

    Attributes:
        kept: how many samples were, by stream.
    """

    def __init__(
        self, node: Any, setup: Setup, profile: QoSProfile, on_sample: Any, *, ahead_of_time: bool
    ) -> None:
        observation = setup.task.observation
        self._node, self._on_sample, self._lockstep = node, on_sample, setup.lockstep
        self._sizes = {view.name: (view.height, view.width) for view in observation.cameras}
        self._proprio_dim = observation.proprio_dim
        self.kept = dict.fromkeys((*self._sizes, PROPRIOCEPTION), 0)
        ahead = AHEAD if ahead_of_time else {}
        self._policy = snapshots(setup.rig, setup.task, lockstep=setup.lockstep, **ahead)
        for name in self._sizes:
            topic = f"/cameras/{name}/image"
            node.create_subscription(ImageMessage, topic, lambda m, n=name: self._on_image(n, m), profile)
        node.create_subscription(Proprioception, "/proprioception", self._on_proprioception, profile)

    def begin_episode(self, t_ns: int) -> None:
        """History does not reach back behind this time."""
        self._policy.begin_episode(t_ns)

    def forget(self) -> None:
        """Forget all samples: those of another bag follow."""
        self._policy.clear()

    def snapshot(self, t_ns: int, newest_ns: Sequence[int] = ()) -> Snapshot:
        """What is seen at a time.

        Args:
            t_ns: the time.
            newest_ns: in replay, stamps that have to be there of each camera and of proprioception.

        Raises:
            SnapshotError: a stream has nothing young enough, or one of those is not there; in lockstep, a
                camera has nothing of exactly this time.
        """
        awaited = dict(zip((*self._sizes, PROPRIOCEPTION), newest_ns, strict=False))
        for name, stamp_ns in awaited.items():
            if not self._policy.holds(name, stamp_ns):
                raise SnapshotError(name, math.inf, 0.0)
        found = self._policy.snapshot(t_ns)
        if self._lockstep and not awaited:
            for name in self._sizes:
                if (seen := found.stamps_ns[name][-1]) != t_ns:
                    raise SnapshotError(name, (t_ns - seen) * 1e-9, 0.0)
        return found

    def settled(self, t_ns: int) -> Iterator[tuple[str, int, Image]]:
        """What a snapshot at a later time will have of what is here, see `SnapshotPolicy.settled`."""
        return self._policy.settled(t_ns)

    def _on_image(self, name: str, message: ImageMessage) -> None:
        try:
            image = convert.image_array(message)
            if image.shape[:2] != self._sizes[name]:
                raise DataError(
                    f"camera {name}: image is {image.shape[:2]}, the task needs {self._sizes[name]}"
                )
            kept = self._policy.add_image(name, convert.stamp_ns(message), image)
        except DataError as error:
            self._node.get_logger().error(str(error), throttle_duration_sec=1.0)
            return
        if kept:
            self.kept[name] += 1
            self._on_sample()

    def _on_proprioception(self, message: Proprioception) -> None:
        q = convert.vector(message.q)
        try:
            if q.size != self._proprio_dim:
                raise DataError(f"/proprioception: {q.size} numbers, the task needs {self._proprio_dim}")
            kept = self._policy.add_proprioception(convert.stamp_ns(message), q)
        except DataError as error:
            self._node.get_logger().error(str(error), throttle_duration_sec=1.0)
            return
        if kept:
            self.kept[PROPRIOCEPTION] += 1
            self._on_sample()
