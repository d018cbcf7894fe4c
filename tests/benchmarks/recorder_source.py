"""A process that publishes for the recorder's benchmark: one camera, or one arm, at a steady rate.

    python -m tests.benchmarks.recorder_source camera|arm NAME RATE_HZ COUNT

Waits for a subscriber, prints "ready", waits for a line on stdin, publishes COUNT messages, prints how many
were late by more than a period, and stays until stdin ends.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import Point, Pose, Quaternion
from sensor_msgs.msg import Image
from zprl_interfaces.msg import ArmState

from zprl_bringup import convert, qos

HEIGHT, WIDTH = 480, 640


def main() -> None:
    """Run the process."""
    kind, name, rate_hz, count = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    rclpy.init()
    node = rclpy.create_node(f"source_{name}")
    topic = f"/cameras/{name}/image" if kind == "camera" else f"/arms/{name}/state"
    publisher = node.create_publisher(Image if kind == "camera" else ArmState, topic, qos.stream(False))
    make = _pictures() if kind == "camera" else _states(name)
    while publisher.get_subscription_count() == 0:
        time.sleep(0.01)
    print("ready", flush=True)
    sys.stdin.readline()
    begin, late = time.monotonic(), 0
    for number in range(count):
        due = begin + number / rate_hz
        late += time.monotonic() - due > 1 / rate_hz
        time.sleep(max(0.0, due - time.monotonic()))
        publisher.publish(make(number, time.time_ns()))
    print(late, flush=True)
    sys.stdin.read()
    node.destroy_node()
    rclpy.shutdown()


def _pictures() -> Any:
    """Smooth pictures with a little noise, each another one, so that JPEG has the work of a real camera."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    smooth = np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 8, smooth.shape, dtype=np.uint8)
    pictures = [np.roll(smooth | noise, 16 * shift, axis=1) for shift in range(8)]
    return lambda number, at_ns: convert.image_message(pictures[number % 8], at_ns, "camera")


def _states(name: str) -> Any:
    pose = Pose(position=Point(x=0.3, y=0.0, z=0.2), orientation=Quaternion(w=1.0))
    return lambda number, at_ns: ArmState(
        header=convert.header(at_ns, f"{name}_base"),
        arm=name,
        joint_position_rad=convert.doubles(np.full(7, number)),
        joint_velocity_rad_s=convert.doubles(np.zeros(7)),
        pose_base_tcp=pose,
        setpoint_base_tcp=pose,
        owner="policy",
    )


if __name__ == "__main__":
    main()
