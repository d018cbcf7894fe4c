"""The ROS packages' manifests: they parse, agree on one version, and say what is true."""

from __future__ import annotations

import ast
import configparser
import itertools
import re
from typing import get_args

import pytest
from catkin_pkg.package import Package, parse_package
from catkin_pkg.topological_order import topological_order

from tests.packaging.repository import (
    PYTHON_PACKAGES,
    ROOT,
    ROS_PACKAGES,
    SOURCE,
    imported_modules,
    python_folder,
    read_toml,
)
from zprl_core import __version__
from zprl_core.cli.checks import NODE_MODULES
from zprl_core.config.processes import ProcessName

EXPECTED = {
    "learner_node",
    "policy_node",
    "teleop_vr",
    "zprl_arms",
    "zprl_bringup",
    "zprl_cameras",
    "zprl_core",
    "zprl_interfaces",
    "zprl_panel",
    "zprl_recorder",
    "zprl_session",
    "zprl_sim",
    "zprl_web",
}
EXECUTABLES = {
    "learner_node": {"learner_node"},
    "policy_node": {"policy_node"},
    "teleop_vr": {"teleop_node"},
    "zprl_arms": {"arm_bridge"},
    "zprl_cameras": {"camera_node", "proprioception_node"},
    "zprl_core": {"zprl"},
    "zprl_panel": {"panel_node"},
    "zprl_recorder": {"player_node", "recorder_node"},
    "zprl_session": {"auto_judge", "session_node"},
    "zprl_sim": {"world_node"},
}
SCRIPT = re.compile(r'"(\w+) = ([\w.]+):(\w+)"')


INTERFACES = ("_msgs", "_interfaces", "_srvs")
VENDORS = {"pyrealsense2"}
_PYTHON3 = ("aiohttp", "cryptography", "matplotlib", "msgpack", "numpy", "scipy", "tqdm", "yaml")
ROSDEP = {name: f"python3-{name}" for name in _PYTHON3} | {
    "cv2": "python3-opencv",
    "sklearn": "python3-sklearn",
}
NOTICES = {
    "av": "pyav",
    "opencv-python-headless": "opencv",
    "pin": "pinocchio",
    "torch": "pytorch",
    "franky-control": "franky",
    "lark-parser": "lark",
    "pyrealsense2": "librealsense",
}


def manifest(package: str) -> Package:
    return parse_package(str(SOURCE / package))


def console_scripts(package: str) -> dict[str, tuple[str, str]]:
    """Executable -> (module, function), as the package's setup.py says."""
    text = (SOURCE / package / "setup.py").read_text(encoding="utf-8")
    return {name: (module, function) for name, module, function in SCRIPT.findall(text)}


def test_a_rig_may_place_every_executable_which_passes_its_name_on() -> None:
    """`compute.processes` finds a node by the name that its class gives to `Node`."""
    nodes = {name: package for package, names in EXECUTABLES.items() for name in names - {"zprl"}}
    assert nodes.keys() == set(get_args(ProcessName))
    assert sorted(NODE_MODULES) == sorted(f"{package}.{name}" for name, package in nodes.items())
    for name, package in nodes.items():
        source = (python_folder(package) / f"{name}.py").read_text(encoding="utf-8")
        assert f'super().__init__("{name}")' in source, name


def test_every_package_of_the_design_has_a_manifest() -> None:
    assert set(ROS_PACKAGES) >= EXPECTED


@pytest.mark.parametrize("package", ROS_PACKAGES)
def test_a_manifest_is_valid_and_carries_the_one_version(package: str) -> None:
    warnings: list[str] = []
    parsed = parse_package(str(SOURCE / package), warnings=warnings)
    parsed.validate()  # an e-mail that does not look valid would make colcon skip the package in silence
    assert warnings == []
    assert parsed.name == package
    assert parsed.version == __version__
    assert parsed.licenses == ["Apache-2.0"]
    assert len(parsed.description) > 30
    assert parsed.get_build_type() == ("ament_cmake" if package == "zprl_interfaces" else "ament_python")


def test_the_packages_can_be_ordered() -> None:
    ordered = topological_order(str(SOURCE))
    assert {package.name for _, package in ordered} == set(ROS_PACKAGES), (
        "a cycle, or a folder without package"
    )


@pytest.mark.parametrize("package", PYTHON_PACKAGES)
def test_a_manifest_names_every_ros_package_that_the_code_imports(package: str) -> None:
    ros = {"rclpy", "launch", "launch_ros", "zprl_interfaces", *PYTHON_PACKAGES}
    imported = imported_modules(python_folder(package))
    wanted = {name for name in imported if name in ros or name.endswith(INTERFACES)} - {package}
    if package == "zprl_core":  # what its command line looks for when it is there, and never needs
        wanted -= {"rclpy", "zprl_interfaces", "launch"}
        wanted -= {"zprl_arms", "zprl_bringup", "zprl_cameras", "zprl_session", "zprl_sim"}
    named = {dependency.name for dependency in manifest(package).exec_depends}
    assert wanted <= named
    assert {name for name in named if name.endswith(INTERFACES)} <= imported, "named for nothing"


@pytest.mark.parametrize("package", PYTHON_PACKAGES)
def test_every_other_package_that_the_code_imports_comes_from_the_manifest_or_from_pip(package: str) -> None:
    """CONTRIBUTING.md's line of pip brings what rosdep does not know."""
    ros = {"rclpy", "launch", "launch_ros", "zprl_interfaces", *PYTHON_PACKAGES}
    others = {
        name for name in imported_modules(python_folder(package)) - ros if not name.endswith(INTERFACES)
    }
    (line,) = re.findall(r"^pip install colcon-ros .*$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    by_pip = {re.split("[=<]", word.strip('"'))[0] for word in line.partition("#")[0].split()[2:]}
    named = {dependency.name for dependency in manifest(package).exec_depends}
    missing = {name for name in others - by_pip - VENDORS if ROSDEP.get(name, name) not in named}
    assert not missing


@pytest.mark.parametrize("package", PYTHON_PACKAGES)
def test_ros_finds_the_package_and_its_executables(package: str) -> None:
    assert (SOURCE / package / "resource" / package).is_file(), "the marker of the ament index"
    config = configparser.ConfigParser()
    config.read(SOURCE / package / "setup.cfg")
    assert config["develop"]["script_dir"] == f"$base/lib/{package}"
    assert config["install"]["install_scripts"] == f"$base/lib/{package}"
    assert set(console_scripts(package)) == EXECUTABLES.get(package, set())


@pytest.mark.parametrize("package", sorted(EXECUTABLES))
def test_every_executable_is_a_function_that_exists(package: str) -> None:
    for module, function in console_scripts(package).values():
        folder = python_folder(package).parent.joinpath(*module.split("."))
        path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert function in {node.name for node in body if isinstance(node, ast.FunctionDef)}, f"{path}"


def test_links_into_the_workspace_are_relative_and_lead_somewhere() -> None:
    links = [path for path in SOURCE.glob("*/*") if path.is_symlink()]
    assert {path.name for path in links} >= {
        "zprl_core",
        "policy_node",
        "learner_node",
        "launch",
        "hardware_config",
    }
    for link in links:
        assert not link.readlink().is_absolute(), link
        assert link.resolve().is_dir() and link.resolve().is_relative_to(ROOT), link


def test_cmake_generates_every_interface() -> None:
    folder = SOURCE / "zprl_interfaces"
    listed = re.findall(
        r'"((?:msg|srv)/\w+\.(?:msg|srv))"', (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    )
    present = [str(path.relative_to(folder)) for path in folder.glob("[ms]*/*.[ms]*")]
    assert listed == sorted(listed)
    assert set(listed) == set(present)


def test_the_licence_is_there_and_the_notices_name_what_is_installed() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")[:200]
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8").lower()
    project = read_toml(ROOT / "pyproject.toml")["project"]
    extras = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *itertools.chain(*(v for k, v in extras.items() if k not in ("dev", "interfaces"))),
    ]
    names = {re.split(r"[\[=<>~;! ]", each)[0].lower() for each in asked}
    ours = {name for name in names if not name.startswith("ros-")}  # one line for all of ROS 2
    missing = {name for name in ours if NOTICES.get(name, name) not in notices}
    assert not missing
    assert "metaworld" in notices and "robosuite" in notices  # scripts/setup.sh brings them
