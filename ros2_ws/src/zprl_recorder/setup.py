"""What colcon builds; pip installs this package through the pyproject.toml at the repository's root."""

import xml.etree.ElementTree as ElementTree

from setuptools import find_packages, setup

NAME = "zprl_recorder"
MANIFEST = ElementTree.parse("package.xml")

setup(
    name=NAME,
    version=MANIFEST.findtext("version"),
    description=MANIFEST.findtext("description"),
    license="Apache-2.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "player_node = zprl_recorder.player_node:main",
            "recorder_node = zprl_recorder.recorder_node:main",
        ],
    },
)
