"""What may be imported where: zprl_core without ROS, the control side without torch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.packaging.repository import ROOT, python_folder

BLOCKED_IMPORTS = """
import importlib, importlib.abc, pkgutil, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in {blocked!r} or (top.endswith(("_msgs", "_interfaces")) and {ros!r}):
            raise ModuleNotFoundError(f"{{name}} must not be imported here", name=name)
        return None

sys.meta_path.insert(0, Block())
for name in {modules!r}:
    importlib.import_module(name)
"""
ROS = ("rclpy", "launch", "launch_ros", "ament_index_python", "rosidl_runtime_py")


def modules(package: str) -> list[str]:
    """All modules of a package, by their files."""
    folder = python_folder(package)
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[-1] != "__main__":
            found.append(".".join([package, *(part for part in parts if part != "__init__")]))
    return found


def run(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, env=environment)


def import_all(names: list[str], blocked: tuple[str, ...], ros_messages_too: bool) -> None:
    code = BLOCKED_IMPORTS.format(blocked=blocked, ros=ros_messages_too, modules=names)
    result = run(code)
    assert result.returncode == 0, result.stderr


def test_every_module_of_zprl_core_imports_without_ros() -> None:
    names = modules("zprl_core")
    assert len(names) > 30
    import_all(names, ROS, ros_messages_too=True)


def test_the_block_blocks() -> None:
    code = BLOCKED_IMPORTS.format(blocked=ROS, ros=True, modules=["sensor_msgs.msg"])
    assert "sensor_msgs must not be imported here" in run(code).stderr


CONTROL_CORE = (
    "actions",
    "bags",
    "config",
    "errors",
    "graph",
    "noise",
    "policy_modes",
    "safety",
    "session",
    "snapshot",
    "stats",
    "trajectory",
    "transforms",
)


def test_the_control_side_of_zprl_core_imports_without_torch() -> None:
    names = [
        name for name in modules("zprl_core") if name.split(".")[1:2] and name.split(".")[1] in CONTROL_CORE
    ]
    assert {name.split(".")[1] for name in names} == set(CONTROL_CORE)
    import_all(names, ("torch",), ros_messages_too=False)


@pytest.mark.parametrize(
    "package",
    [
        "teleop_vr",
        "zprl_arms",
        "zprl_bringup",
        "zprl_cameras",
        "zprl_panel",
        "zprl_recorder",
        "zprl_session",
        "zprl_sim",
        "zprl_web",
    ],
)
def test_all_nodes_but_policy_and_learner_import_without_torch(package: str) -> None:
    import_all(modules(package), ("torch",), ros_messages_too=False)


@pytest.mark.parametrize(
    ("package", "other"), [("policy_node", "learner_node"), ("learner_node", "policy_node")]
)
def test_policy_and_learner_do_not_know_each_other(package: str, other: str) -> None:
    import_all(modules(package), (other,), ros_messages_too=False)


def test_importing_zprl_core_loads_nothing_heavy() -> None:
    heavy = ("cv2", "mujoco", "numpy", "rclpy", "scipy", "torch", "yaml")
    result = run(f"import sys, zprl_core; print([m for m in {heavy!r} if m in sys.modules])")
    assert result.stdout.strip() == "[]", result.stderr
