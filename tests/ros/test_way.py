# SPDX-License-Identifier: Apache-2.0
"""How long pictures take through ROS, as `zprl doctor --measure` finds it, between real processes."""

from __future__ import annotations

import dataclasses
import threading
import time

import pytest

from zprl_cameras import transit
from zprl_core.cli.way import way_s, ways_to_policy
from zprl_core.config import CameraConfig, load_rig, load_task
from zprl_core.errors import RigError

CAMERAS = (
    CameraConfig(name="third_view", driver="files", device="x", width=640, height=480, rate_hz=30.0),
    CameraConfig(name="wrist", driver="files", device="x", width=320, height=240, rate_hz=60.0),
    CameraConfig(name="drawn", driver="sim", width=320, height=240, rate_hz=60.0),
)


class Standstill:
    """How long the machine stood still at most, while this was open."""

    def __enter__(self) -> Standstill:
        self.worst_s, self._over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        last_s = time.monotonic()
        while not self._over.wait(0.005):
            now_s = time.monotonic()
            self.worst_s, last_s = max(self.worst_s, now_s - last_s), now_s


def test_every_picture_comes_and_its_way_takes_time() -> None:
    rig, task = load_rig("xarm6_place_orange_sim"), load_task("place_orange_demo")
    with Standstill() as machine:
        found = ways_to_policy(dataclasses.replace(rig, cameras=CAMERAS), CAMERAS, task, 1.0)
    assert list(found) == ["third_view", "wrist"]
    assert all(0.0005 < seconds < 0.2 + machine.worst_s for seconds in found.values()), found


def test_ages_by_hand_and_pictures_that_did_not_come() -> None:
    stream = transit.Stream("wrist", (48, 64), (24, 32), None, 50.0)
    assert way_s(stream, [0.001 * n for n in range(101)], 2.0) == pytest.approx(0.099)
    with pytest.raises(RigError, match=r"camera 'wrist': 7 of 100 pictures \(24x32 at 50 Hz\) came"):
        way_s(stream, [0.01] * 7, 2.0)
