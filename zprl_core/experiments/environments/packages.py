# SPDX-License-Identifier: Apache-2.0
"""The simulators are optional packages: what installs them, and a clear word where they are missing."""

from __future__ import annotations

import importlib
from importlib import metadata
from types import ModuleType

from zprl_core.errors import ConfigError

INSTALL = 'pip install -e ".[benchmarks]" && pip install --no-deps metaworld==3.1.1 robosuite==1.5.1'
"""--no-deps: metaworld asks for one patch release of MuJoCo, and robosuite for a second build of OpenCV."""
WANTED = {"metaworld": "3.1", "gymnasium_robotics": "1.4", "robosuite": "1.5"}
"""Releases that the tasks were written for."""


def simulator(name: str) -> ModuleType:
    """The package of a simulator.

    Raises:
        ConfigError: it is not installed, does not import, or is of another release; says what mends it.
    """
    wanted = WANTED[name]
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError as error:
        raise ConfigError(f"{name} {wanted} is not installed: {INSTALL}") from error
    if found.split(".")[:2] != wanted.split("."):
        raise ConfigError(f"{name} is {found}, the tasks were written for {wanted}: {INSTALL}")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{name} {found} does not import: {error}. Install what it needs: {INSTALL}"
        ) from error
