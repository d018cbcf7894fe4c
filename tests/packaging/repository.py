"""The repository as the packaging tests see it: its root, its ROS packages, its own Python packages."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "ros2_ws/src"
ROS_PACKAGES = tuple(sorted(path.parent.name for path in SOURCE.glob("*/package.xml")))
PYTHON_PACKAGES = tuple(name for name in ROS_PACKAGES if name != "zprl_interfaces")
SKIPPED = {"__pycache__", "build", "install", "log", "dist", "runs", "data", "node_modules"}


def python_folder(package: str) -> Path:
    """The folder that holds a package's Python code, links resolved."""
    return (SOURCE / package / package).resolve()


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def files(folder: Path) -> Iterator[Path]:
    """Files that belong to the repository: no environment, caches, build outputs or links."""
    for path in sorted(folder.iterdir()):
        hidden_folder = path.is_dir() and path.name.startswith(".") and path.name != ".ci"
        if path.is_symlink() or hidden_folder or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            # zprl_core/data is a package; data/ at the root is what a run leaves behind.
            if path.name not in SKIPPED or (path / "__init__.py").exists():
                yield from files(path)
        else:
            yield path


def imported_modules(folder: Path) -> set[str]:
    """Top-level names of all absolute imports in a folder's Python files, wherever they stand in the file."""
    found: set[str] = set()
    for path in files(folder):
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)
