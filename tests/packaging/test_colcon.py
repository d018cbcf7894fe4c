"""colcon builds the workspace (against the ROS wheels here), and ROS finds packages and executables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.repository import ROOT, ROS_PACKAGES, SOURCE
from tests.packaging.test_manifests import EXECUTABLES

COLCON = Path(sys.executable).with_name("colcon")
LIMIT_S = 900  # a minute on two idle cores
pytestmark = pytest.mark.timeout(LIMIT_S + 100)


def colcon(*arguments: str, cwd: Path, log: Path) -> str:
    environment = {
        **os.environ,
        "AMENT_PREFIX_PATH": sys.prefix,
        "CMAKE_PREFIX_PATH": sys.prefix,
        "PATH": os.pathsep.join([str(COLCON.parent), os.environ["PATH"]]),
    }
    command = [str(COLCON), "--log-base", str(log), *arguments]
    result = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-8000:]
    return result.stdout


def test_colcon_sees_every_package(tmp_path: Path) -> None:
    listed = colcon("list", "--base-paths", str(SOURCE), cwd=ROOT / "ros2_ws", log=tmp_path)
    rows = [line.split("\t") for line in listed.splitlines()]
    assert {name for name, _, _ in rows} == set(ROS_PACKAGES)
    kinds = {name: kind.strip("()") for name, _, kind in rows}
    assert kinds.pop("zprl_interfaces") == "ros.ament_cmake"
    assert set(kinds.values()) == {"ros.ament_python"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace, built and installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("colcon")
    python = f"-DPython3_EXECUTABLE={sys.executable}"
    options = ["--build-base", str(folder / "build"), "--install-base", str(folder / "install")]
    options += ["--base-paths", str(SOURCE), "--parallel-workers", "2"]
    options += ["--cmake-args", "-G", "Ninja", "-DBUILD_TESTING=OFF", python]
    colcon("build", *options, cwd=folder, log=folder / "log")
    return folder / "install"


@pytest.mark.slow
def test_the_built_workspace_is_what_ros_looks_for(installed: Path) -> None:
    for package in ROS_PACKAGES:
        prefix = installed / package
        assert (prefix / "share/ament_index/resource_index/packages" / package).is_file()
        assert (prefix / f"share/{package}/package.xml").is_file()
    # launch_ros's Node(package, executable) takes lib/<package>/<executable> under the package's prefix.
    for package, executables in EXECUTABLES.items():
        for name in executables:
            assert os.access(installed / package / "lib" / package / name, os.X_OK), f"{package} {name}"
    share = installed / "zprl_bringup/share/zprl_bringup"
    assert (share / "config/single_host_shm.xml").is_file()
    for folder, pattern in (("hardware_config", "*/*.yaml"), ("launch", "*.launch.py")):
        expected = {str(path.relative_to(ROOT)) for path in (ROOT / folder).glob(pattern)}
        assert expected
        assert {str(path.relative_to(share)) for path in (share / folder).glob(pattern)} == expected


@pytest.mark.slow
def test_the_built_packages_import_from_where_they_were_installed(installed: Path) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = [str(installed / package / "lib" / version / "site-packages") for package in ROS_PACKAGES]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(site),
        "LD_LIBRARY_PATH": str(installed / "zprl_interfaces/lib"),
    }
    code = (
        "import zprl_core, zprl_interfaces.msg as m; m.ActionChunk(); print(zprl_core.__file__, m.__file__)"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(
        command, cwd=installed, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert all(path.startswith(str(installed)) for path in found.stdout.split()), found.stdout
