"""Files that only their owner may read: keys, links, and who is in."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from zprl_core.errors import ConfigError


def config_folder() -> Path:
    """The user's folder for what belongs to this installation and to no run; made where it is missing.

    Raises:
        ConfigError: it cannot be made.
    """
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return private_folder(Path(base) / "zprl" / "web")


def private_folder(path: Path) -> Path:
    """A folder of mode 0700.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise ConfigError(f"{path}: secrets of the web pages are kept there: {error.strerror}") from error
    return path


def write_private(path: Path, content: bytes) -> None:
    """A whole file or nothing, of mode 0600 from its first byte on."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """What `write_private` wrote as JSON; nothing where it is missing or damaged."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
