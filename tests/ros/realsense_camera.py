"""The camera's node with a software RealSense on its bus: python realsense_camera.py UNPLUG --ros-args ...

As long as the file named by the environment's UNPLUG exists, the device is pulled out; with "swap" in it,
another one, with another serial number, hangs there instead and sends pictures. With "hang" in it, the device
is there and sends nothing, until it is reset: then it leaves for a while, and sends again.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np

from zprl_cameras.camera_node import main  # ROS comes before librealsense, as in the node itself

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pyrealsense2 as rs

from tests.cameras.software_realsense import SERIAL, Bus, Device

OTHER = "111111111111"
AWAY_S = 2.0
DEPTH = np.full((24, 32), 2504, np.uint16)  # tenths of a millimetre


def feed(bus: Bus, device: Device, other: Device, unplug: Path, stop: threading.Event) -> None:
    """Colour and depth at 30 Hz, stamped with a hardware clock that began a while ago."""
    back_s = math.inf
    for number in itertools.count():
        what = unplug.read_text() if unplug.exists() else "there"
        swapped, hangs = what == "swap", what == "hang" and not bus.resets
        if bus.resets:
            back_s = min(back_s, time.monotonic() + AWAY_S)
        bus.absent = {SERIAL} if swapped else {OTHER}
        bus.pulled = what == "" or bool(bus.resets and time.monotonic() < back_s)
        if swapped:
            with contextlib.suppress(RuntimeError):
                other.send(number, time.monotonic() * 1e3 + 5e4, rs.timestamp_domain.hardware_clock, DEPTH)
        elif not (bus.pulled or hangs):
            with contextlib.suppress(RuntimeError):  # nobody has opened it
                device.send(number, time.monotonic() * 1e3 + 5e4, rs.timestamp_domain.hardware_clock, DEPTH)
        if stop.wait(1 / 30):
            return


if __name__ == "__main__":
    bus = Bus()
    device, other = Device(bus), Device(bus, OTHER)
    device.align()
    other.align()
    bus.absent = {OTHER}
    rs.context = lambda _settings: bus  # what is plugged in
    stop = threading.Event()
    feeder = threading.Thread(target=feed, args=(bus, device, other, Path(os.environ["UNPLUG"]), stop))
    feeder.start()
    try:
        main()
    finally:
        stop.set()
        feeder.join()
