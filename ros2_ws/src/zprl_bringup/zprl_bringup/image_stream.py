"""Raw images of several cameras to one subscriber, for `zprl bench`. Each camera is a process, and so is the
subscriber.

    python -m zprl_bringup.image_stream subscriber project --cameras 3
    python -m zprl_bringup.image_stream camera project --number 0 --size 240 320 --images 90

A camera sends warm-up images until its standard input has a line, then those that count. Then it prints, as
the subscriber does when its input has a second line, what it measured, one line of JSON. The subscriber first
prints a line when every camera was heard; its first line begins the counting. The end of the input ends
either.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from zprl_bringup import convert, qos
from zprl_bringup.node import Node, run
from zprl_core.grid import SECOND_NS, TickGrid

WARM_UP, COUNTED = "warm-up", "counted"
"""Frame ids of images."""
_LOOK_S = 0.02
_PICTURES = 4


@dataclass(frozen=True)
class Way:
    """How images are sent and received: the topic's profile (or depth), an image to a message, and back."""

    profile: QoSProfile | int
    message: Callable[[NDArray[np.uint8], int, str], Image]
    array: Callable[[Image], NDArray[np.uint8]]


def usual_message(frame: NDArray[np.uint8], at_ns: int, frame_id: str) -> Image:
    """An image as ROS's own tutorials would send it."""
    message = Image(header=convert.header(at_ns, frame_id), encoding="rgb8")
    message.height, message.width, message.step = frame.shape[0], frame.shape[1], 3 * frame.shape[1]
    message.data = frame.tobytes()
    return message


def usual_array(message: Image) -> NDArray[np.uint8]:
    """And receive it, uint8 (height, width, 3)."""
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)


WAYS = {
    "project": Way(qos.stream(lockstep=False), convert.image_message, convert.image_array),
    "usual": Way(10, usual_message, usual_array),
}


class Heard:
    """What a subscriber gets of all cameras.

    Attributes:
        latency_ms: of the counted images, from stamp to array.
    """

    def __init__(self, node: Any, way: Way, cameras: int) -> None:
        self.latency_ms: list[float] = []
        self._missing, self._way = set(range(cameras)), way
        for number in range(cameras):
            node.create_subscription(Image, _topic(number), partial(self._on_image, number), way.profile)
        threading.Thread(target=self._answer, name="answer", daemon=True).start()

    def _on_image(self, number: int, message: Image) -> None:
        self._way.array(message)
        now_ns = time.time_ns()
        if message.header.frame_id == COUNTED:
            self.latency_ms.append((now_ns - convert.stamp_ns(message)) / 1e6)
        elif number in self._missing:
            self._missing.remove(number)
            if not self._missing:
                print("every camera was heard", flush=True)

    def _answer(self) -> None:
        sys.stdin.readline()
        cpu_s = time.process_time()
        if sys.stdin.readline():
            _print(latency_ms=self.latency_ms, cpu_s=time.process_time() - cpu_s)
            sys.stdin.readline()
        os.kill(os.getpid(), signal.SIGTERM)


class _Subscriber(Node):
    def __init__(self, way: Way, cameras: int) -> None:
        super().__init__("subscriber")
        self.heard = Heard(self, way, cameras)


def subscriber(name: str, cameras: int) -> None:
    """Receive; the project's way with the project's executor."""
    if name == "project":
        run(lambda: _Subscriber(WAYS[name], cameras))
    else:
        _spin(WAYS[name], cameras)


def _spin(way: Way, cameras: int) -> None:
    rclpy.init()
    node = rclpy.create_node("subscriber")
    Heard(node, way, cameras)
    try:
        rclpy.spin(node)
    except ExternalShutdownException:
        pass
    finally:
        node.destroy_node()


def camera(name: str, number: int, size: tuple[int, int], images: int, rate_hz: float) -> None:
    """Send: every camera at the same instants, the worst case for who receives."""
    rclpy.init()
    node, way = rclpy.create_node(f"camera_{number}"), WAYS[name]
    publisher = node.create_publisher(Image, _topic(number), way.profile)
    noise = np.random.default_rng(number).integers(0, 256, (_PICTURES, *size, 3), dtype=np.uint8)
    grid = TickGrid(rate_hz)

    def send(n: int, frame_id: str) -> None:
        time.sleep(max(0, grid.at(n) - time.time_ns()) / SECOND_NS)
        publisher.publish(way.message(noise[n % _PICTURES], time.time_ns(), frame_id))

    while not publisher.get_subscription_count() and not _told():
        time.sleep(_LOOK_S)
    n = grid.index(time.time_ns()) + 1
    while not _told():
        send(n, WARM_UP)
        n += 1
    if sys.stdin.readline():
        cpu_s = time.process_time()
        for k in range(n, n + images):
            send(k, COUNTED)
        _print(sent=images, cpu_s=time.process_time() - cpu_s)
        sys.stdin.readline()  # what was sent last may still have to be sent again
    node.destroy_node()
    rclpy.try_shutdown()


def _topic(number: int) -> str:
    return f"/bench/camera_{number}/image"


def _told() -> bool:
    return bool(select.select([sys.stdin], [], [], 0.0)[0])


def _print(**found: Any) -> None:
    print(json.dumps(found), flush=True)


def main() -> None:
    """Be one of the processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("role", choices=("camera", "subscriber"))
    parser.add_argument("way", choices=tuple(WAYS))
    parser.add_argument("--cameras", type=int, default=1, help="of a subscriber: how many")
    parser.add_argument("--rate", type=float, default=30.0, help="of a camera: images a second")
    parser.add_argument("--number", type=int, default=0)
    parser.add_argument("--size", type=int, nargs=2, default=(240, 320), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--images", type=int, default=90)
    args = parser.parse_args()
    if args.role == "camera":
        camera(args.way, args.number, tuple(args.size), args.images, args.rate)
    else:
        subscriber(args.way, args.cameras)


if __name__ == "__main__":
    main()
