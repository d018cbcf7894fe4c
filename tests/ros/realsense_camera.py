"""The camera's node with a software RealSense on its bus: python realsense_camera.py UNPLUG --ros-args ...

As long as the file named by the environment's UNPLUG exists, the device is pulled out; with "swap" in it,
another one, with another serial number, hangs there instead and sends pictures.
"""

from __future__ import annotations

import contextlib
import itertools
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
DEPTH = np.full((24, 32), 2504, np.uint16)  # tenths of a millimetre


def feed(bus: Bus, device: Device, other: Device, unplug: Path, stop: threading.Event) -> None:
    """Colour and depth at 30 Hz, stamped with a hardware clock that began a while ago."""
    for number in itertools.count():
        swapped = unplug.exists() and unplug.read_text() == "swap"
        bus.absent = {SERIAL} if swapped else {OTHER}
        bus.pulled = unplug.exists() and not swapped
        if swapped:
            with contextlib.suppress(RuntimeError):
                other.send(number, time.monotonic() * 1e3 + 5e4, rs.timestamp_domain.hardware_clock, DEPTH)
        elif not bus.pulled:
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
