"""What colcon builds; pip installs this package through the pyproject.toml at the repository's root."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from setuptools import find_packages, setup

NAME = "zprl_bringup"
MANIFEST = ElementTree.parse("package.xml")


def shared(pattern: str) -> list[tuple[str, list[str]]]:
    """The files that match, each with its folder under share/."""
    return [(f"share/{NAME}/{path.parent}", [str(path)]) for path in sorted(Path().glob(pattern))]


setup(
    name=NAME,
    version=MANIFEST.findtext("version"),
    description=MANIFEST.findtext("description"),
    license="Apache-2.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *shared("config/*"),
        *shared("hardware_config/*/*.yaml"),
        *shared("launch/*.launch.py"),
    ],
    zip_safe=False,
)
