# SPDX-License-Identifier: Apache-2.0
"""What `zprl doctor` looks at. Each check returns findings and never raises."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import zprl_core
from zprl_core import single_host
from zprl_core.config import load_rig, load_task, rig_names, task_names
from zprl_core.errors import ZprlError
from zprl_core.versions import package_version

GIB = 1024**3
PYTHONS = ((3, 10), (3, 13))
SHARED_MEMORY_GIB = 0.5
DISK_GIB = 5.0
NODE_MODULES = (
    "learner_node.learner_node",
    "policy_node.policy_node",
    "teleop_vr.teleop_node",
    "zprl_arms.arm_bridge",
    "zprl_cameras.camera_node",
    "zprl_cameras.proprioception_node",
    "zprl_panel.panel_node",
    "zprl_recorder.player_node",
    "zprl_recorder.recorder_node",
    "zprl_session.auto_judge",
    "zprl_session.session_node",
    "zprl_sim.world_node",
)
SET_UP = "run `make setup` in the repository"
_RENDER = """
import mujoco
body = "<worldbody><light pos='0 0 2'/><geom size='1'/></worldbody>"
model = mujoco.MjModel.from_xml_string(f"<mujoco>{body}</mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 16, 16) as renderer:
    renderer.update_scene(data)
    assert renderer.render().any(), "the image is black"
"""
_TALK = """
import time, rclpy
from rclpy.qos import QoSProfile, DurabilityPolicy
from zprl_interfaces.msg import SessionState
rclpy.init()
node = rclpy.create_node("doctor")
heard = []
qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
node.create_subscription(SessionState, "/doctor", heard.append, qos)
node.create_publisher(SessionState, "/doctor", qos).publish(SessionState(state="idle"))
end = time.monotonic() + 10
while not heard and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.1)
assert heard and heard[0].state == "idle", "no message within 10 s"
"""


@dataclass(frozen=True)
class Finding:
    """One line: ok is True, False (something to do), or None (worth knowing). More lines of what are details,
    of advice further advice.
    """

    ok: bool | None
    what: str
    advice: str = ""


Problems = list[tuple[bool | None, str]]
"""Of a device: (False, text) where something is to do, (None, text) where it is worth knowing."""


def device(title: str, details: Sequence[str], problems: Problems) -> Finding:
    """The line of a device: as bad as the worst of its problems, each of which says what to do about it.

    Args:
        title: which device.
        details: one line each.
        problems: each with its advice.
    """
    verdicts = [verdict for verdict, _ in problems]
    ok = False if False in verdicts else None if verdicts else True
    return Finding(ok, "\n".join([title, *filter(None, details)]), "\n".join(text for _, text in problems))


def python_version() -> Iterable[Finding]:
    """An interpreter that the ROS 2 wheels exist for."""
    low, high = PYTHONS
    ok = low <= sys.version_info[:2] <= high and platform.machine() == "x86_64"
    yield Finding(
        ok,
        f"Python {platform.python_version()} on {platform.machine()}, zprl {zprl_core.__version__}",
        f"ROS 2's wheels need Python {low[0]}.{low[1]} to {high[0]}.{high[1]} on x86_64",
    )


def packages() -> Iterable[Finding]:
    """The libraries and the nodes."""
    for name in ("numpy", "yaml", "torch", "mujoco", "tensorboard", "tqdm", "rclpy", "zprl_interfaces.msg"):
        try:
            importlib.import_module(name)
        except Exception as error:  # a library may raise anything while it loads
            yield Finding(False, f"import {name}: {error}", SET_UP)
        else:
            version = package_version(name.split(".")[0]) or ""
            yield Finding(True, f"import {name} {version}".rstrip())
    yield _script("nodes: all there", "import " + ", ".join(NODE_MODULES), dict(os.environ), SET_UP)


def configs() -> Iterable[Finding]:
    """Every task and rig that can be found."""
    problems = []
    loaders: tuple[tuple[tuple[str, ...], Callable[[str], object]], ...] = (
        (task_names(), load_task),
        (rig_names(), load_rig),
    )
    for names, load in loaders:
        for name in names:
            try:
                load(name)
            except ZprlError as error:
                problems.append(str(error))
    counts = f"{len(task_names())} tasks, {len(rig_names())} rigs"
    yield Finding(not problems and bool(task_names()), f"configs: {counts}", "; ".join(problems) or SET_UP)


def shared_memory() -> Iterable[Finding]:
    """Room for the images that travel through /dev/shm."""
    folder = single_host.SHARED_MEMORY
    if not folder.is_dir():
        yield Finding(False, f"{folder} does not exist", "mount a tmpfs there")
        return
    free = shutil.disk_usage(folder).free / GIB
    advice = f"the graph needs {SHARED_MEMORY_GIB} GiB: in Docker, start with --shm-size=1g"
    yield Finding(free >= SHARED_MEMORY_GIB, f"shared memory: {free:.1f} GiB free", advice)
    leaked = single_host.clean_shared_memory()
    if leaked:
        yield Finding(None, f"removed {len(leaked)} shared memory files that dead processes left")


def ros() -> Iterable[Finding]:
    """A message through DDS with the profile that rigs use."""
    try:
        profile = single_host.dds_profile("single_host_shm")
    except ZprlError as error:
        yield Finding(False, f"DDS profile: {error}", SET_UP)
        return
    yield Finding(True, f"DDS profile: {profile}")
    with tempfile.TemporaryDirectory() as logs, single_host.free_domain({}) as domain:
        environment = single_host.environment(profile, domain, Path(logs), os.environ)
        yield _script("ROS 2 delivers a message over shared memory", _TALK, environment, SET_UP)


def rendering() -> Iterable[Finding]:
    """An off-screen image."""
    wanted = os.environ.get("MUJOCO_GL")
    findings = []
    for backend in (wanted,) if wanted else ("egl", "osmesa"):
        environment = {**os.environ, "MUJOCO_GL": backend}
        advice = "apt-get install libegl1 libgl1-mesa-dri, or libosmesa6"
        findings.append(_script(f"MuJoCo renders off-screen with {backend}", _RENDER, environment, advice))
        if findings[-1].ok:
            break
    yield findings[-1] if findings[-1].ok else findings[0]


def machine() -> Iterable[Finding]:
    """Disk, memory and processors."""
    free = shutil.disk_usage(Path.cwd()).free / GIB
    advice = f"data and runs want {DISK_GIB:.0f} GiB: free some, or work elsewhere"
    yield Finding(free >= DISK_GIB, f"disk: {free:.0f} GiB free in {Path.cwd()}", advice)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    yield Finding(True if memory >= 4 else None, f"memory: {memory:.0f} GiB", "4 GiB or more is comfortable")
    cpus = len(os.sched_getaffinity(0))
    yield Finding(True if cpus >= 2 else None, f"processors: {cpus}", "with one the demo takes longer")


CHECKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    python_version,
    packages,
    configs,
    shared_memory,
    ros,
    rendering,
    machine,
)


def _script(what: str, code: str, environment: dict[str, str], advice: str) -> Finding:
    """Run Python code in a process of its own, where a crash is a finding."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        return Finding(False, f"{what}: no answer within 60 s", advice)
    if done.returncode == 0:
        return Finding(True, what)
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return Finding(False, f"{what}: {last}", advice)
