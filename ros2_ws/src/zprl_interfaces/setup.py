"""Build the messages and services with CMake against the ROS wheels, and put the result into one wheel.

Only pip runs this file; colcon takes package.xml and CMakeLists.txt. CMake installs into a staging folder.
From there the Python package goes to site-packages, and the libraries, message definitions and CMake exports
go to `lib/` and `share/` under the environment's prefix, where the ROS wheels put theirs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
NAME = "zprl_interfaces"
BUILDER_PYTHON = r"/opt/python/cp\d+-cp\d+"  # where the wheels' builder had its interpreters


def ros_prefix() -> Path:
    """Return the prefix that holds the ROS generators: this environment, or pip's build overlay.

    Raises SystemExit, naming what to install, where there is none.
    """
    for entry in map(Path, sys.path):
        if entry.name != "site-packages":
            continue
        prefix = entry.parents[2]
        if (prefix / "share/rosidl_default_generators").is_dir():
            return prefix
    raise SystemExit(
        f"{NAME}: no share/rosidl_default_generators beside any of {sys.path}: install what "
        f"[build-system] requires in {HERE / 'pyproject.toml'} lists, or drop --no-build-isolation"
    )


def relocate(prefix: Path) -> None:
    """Point the wheels' CMake exports, which name their builder's Python folders, at this interpreter's."""
    import numpy

    for export in (prefix / "share").glob("*/cmake/*.cmake"):
        text = export.read_text(encoding="utf-8", errors="surrogateescape")
        here = re.sub(
            BUILDER_PYTHON + r"/lib/python3\.\d+/site-packages/numpy/_?core/include",
            numpy.get_include(),
            text,
        )
        here = re.sub(BUILDER_PYTHON + r"/include/python3\.\d+", sysconfig.get_path("include"), here)
        if here != text:
            export.write_text(here, encoding="utf-8", errors="surrogateescape")


class BuildInterfaces(build_ext):
    """Generate and compile the interfaces instead of compiling an extension."""

    def run(self) -> None:
        """Run CMake and stage its results for the wheel."""
        prefix = ros_prefix()
        relocate(prefix)
        build = Path(self.build_temp).resolve() / "rosidl"
        shutil.rmtree(build, ignore_errors=True)
        self._cmake(prefix, build, build / "stage")
        self._collect(build / "stage")

    def get_outputs(self) -> list[str]:
        """Nothing for setuptools to byte-compile: CMake has installed all of it."""
        return []

    def _cmake(self, prefix: Path, build: Path, stage: Path) -> None:
        env = dict(os.environ)
        env["AMENT_PREFIX_PATH"] = env["CMAKE_PREFIX_PATH"] = str(prefix)
        env["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry.endswith("site-packages"))
        env["LD_LIBRARY_PATH"] = str(prefix / "lib")
        env["PATH"] = os.pathsep.join([str(prefix / "bin"), env.get("PATH", os.defpath)])
        configure = ["cmake", "-S", str(HERE), "-B", str(build), "-G", "Ninja"]
        options = {
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_INSTALL_PREFIX": str(stage),
            "BUILD_TESTING": "OFF",
            "Python3_EXECUTABLE": sys.executable,
            "Python3_ROOT_DIR": sys.prefix,
        }
        configure += [f"-D{key}={value}" for key, value in options.items()]
        subprocess.run(configure, check=True, env=env)
        subprocess.run(["cmake", "--build", str(build), "--target", "install"], check=True, env=env)

    def _collect(self, stage: Path) -> None:
        package = Path(self.build_lib) / NAME
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree(next(stage.glob("lib/python3*/site-packages")) / NAME, package)
        shared = [path for path in (stage / "share").rglob("*") if path.is_file()]
        folders: dict[str, list[str]] = {}
        for path in [*stage.glob("lib/*.so"), *shared]:
            folders.setdefault(str(path.parent.relative_to(stage)), []).append(os.path.relpath(path, HERE))
        self.distribution.data_files = sorted(folders.items())


setup(
    name=NAME,
    version=ElementTree.parse(HERE / "package.xml").findtext("version"),
    description="Messages and services of ZPRL",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=[],
    ext_modules=[Extension(NAME, sources=[])],
    cmdclass={"build_ext": BuildInterfaces},
    install_requires=[
        "numpy>=2",
        "ros-builtin-interfaces==2.3.0",
        "ros-geometry-msgs==5.5.1",
        "ros-rclpy==9.1.2",
        "ros-rmw-fastrtps-cpp==9.3.3",
        "ros-std-msgs==5.5.1",
    ],
)
