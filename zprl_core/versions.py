# SPDX-License-Identifier: Apache-2.0
"""What a result was computed with, for versions.json."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import zprl_core

PACKAGES = ("torch", "numpy", "scipy", "mujoco", "PyYAML", "tensorboard", "rclpy", "zprl_interfaces")


def versions(started_s: float | None = None) -> dict[str, Any]:
    """Versions of this library, Python and its packages; the machine; the commit if there is one.

    started_s: when what is told of began, Unix time, s; None: now.
    """
    return {
        "zprl": zprl_core.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(started_s)),
    }


def package_version(name: str) -> str | None:
    """Version of an installed distribution, None when it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the source tree that runs, with "+" when it was edited; None outside one."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
