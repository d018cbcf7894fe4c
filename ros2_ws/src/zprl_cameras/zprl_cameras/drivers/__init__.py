"""Camera drivers by the name that a rig gives them. A driver's module is imported only where it is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from zprl_core.errors import RigError

if TYPE_CHECKING:
    from zprl_bringup.node import Node, Setup
    from zprl_cameras.driver import CameraDriver
    from zprl_core.config import CameraConfig, CameraView

DRIVERS = {
    "sim": "zprl_cameras.drivers.sim",
    "realsense": "zprl_cameras.drivers.realsense",
    "v4l2": "zprl_cameras.drivers.v4l2",
    "files": "zprl_cameras.drivers.files",
}
"""Each module has `make(node, setup, camera, view) -> CameraDriver`."""


def make_driver(node: Node, setup: Setup, camera: CameraConfig, view: CameraView) -> CameraDriver:
    """The driver that a rig names for a camera.

    Raises:
        RigError: there is none of that name, or it runs on the wall clock and the session in lockstep.
    """
    if camera.driver not in DRIVERS:
        raise RigError(f"camera '{camera.name}': no driver '{camera.driver}'. Known: {', '.join(DRIVERS)}")
    if setup.lockstep and camera.driver != "sim":
        raise RigError(
            f"camera '{camera.name}': driver '{camera.driver}' runs on the wall clock, lockstep needs driver "
            "'sim'; add --realtime, or set simulation.lockstep to false in the rig"
        )
    driver: CameraDriver = importlib.import_module(DRIVERS[camera.driver]).make(node, setup, camera, view)
    return driver
