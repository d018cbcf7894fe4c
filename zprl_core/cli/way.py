# SPDX-License-Identifier: Apache-2.0
"""`zprl doctor --measure`: how long pictures take from their drivers through ROS to the policy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zprl_core import single_host
from zprl_core.cli.aside import Failure, Job, run_aside
from zprl_core.config import CameraConfig, RigConfig, TaskConfig
from zprl_core.errors import RigError

if TYPE_CHECKING:
    from zprl_cameras.transit import Stream

_START_S = 10.0  # processes that import ROS


def ways_to_policy(
    rig: RigConfig, cameras: Sequence[CameraConfig], task: TaskConfig | None, seconds: float
) -> dict[str, float]:
    """99 % of each camera's pictures need less from the driver to the policy, s, by the camera's name.

    One process a camera and one that listens to all, with the rig's DDS profile: pictures of noise of the
    device's size and rate are fitted to the task's size, published, and taken out of the message.

    Args:
        rig: whose DDS profile is used.
        cameras: simulated ones are left out.
        task: whose picture sizes are sent; None, or a camera that it does not use: the device's size.
        seconds: how long.

    Raises:
        RigError: pictures did not come.
    """
    from zprl_cameras import transit

    streams = [_stream(camera, task) for camera in cameras if camera.driver != "sim"]
    if not streams:
        return {}
    with single_host.free_domain(os.environ) as domain, tempfile.TemporaryDirectory(prefix="zprl") as logs:
        profile = single_host.dds_profile(rig.dds_profile)
        variables = single_host.environment(profile, domain, Path(logs), os.environ)
        sending = [Job(transit.send, (stream, variables, seconds)) for stream in streams]
        jobs = [Job(transit.receive, (streams, variables, seconds)), *sending]
        found = run_aside(jobs, _START_S + 2 * transit.PATIENCE_S + seconds)
    failed = [one.reason for one in found if isinstance(one, Failure)]
    if failed:
        raise RigError(f"pictures through ROS: {'; '.join(failed)}; `zprl doctor` may say why")
    return {stream.name: way_s(stream, found[0][stream.name], seconds) for stream in streams}


def way_s(stream: Stream, ages_s: Sequence[float], seconds: float) -> float:
    """99 % of the pictures were younger when they came.

    Raises:
        RigError: some did not come.
    """
    sent = stream.pictures(seconds)
    if len(ages_s) < sent:
        size = f"{stream.view[0]}x{stream.view[1]} at {stream.rate_hz:g} Hz"
        raise RigError(
            f"camera '{stream.name}': {len(ages_s)} of {sent} pictures ({size}) came through ROS in time; "
            "end what else keeps this machine busy, or lower the camera's rate_hz"
        )
    return float(np.percentile(ages_s, 99))


def _stream(camera: CameraConfig, task: TaskConfig | None) -> Stream:
    from zprl_cameras.transit import Stream

    size = (camera.height, camera.width)
    views = {view.name: (view.height, view.width) for view in task.observation.cameras} if task else {}
    return Stream(camera.name, size, views.get(camera.name, size), camera.crop, camera.rate_hz)
