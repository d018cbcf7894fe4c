# SPDX-License-Identifier: Apache-2.0
"""What `zprl doctor` keeps of a cell, with its date: calibrations/<rig>.yaml and calibrations/<rig>/."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from zprl_core.errors import RigError
from zprl_core.run_folder import write_text


def keep(path: Path, data: dict[str, Any]) -> None:
    """Write YAML in one piece, and the folder above it.

    Raises:
        RigError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, yaml.safe_dump(data, sort_keys=False))
    except OSError as error:
        raise RigError(
            f"{path}: cannot be written: {error.strerror}; make its folder writable, or copy the rig's "
            "file to one of your own (ZPRL_CONFIG_DIR)"
        ) from error


def now() -> datetime:
    """The present, with its zone."""
    return datetime.now(timezone.utc)


def date_text(moment: datetime) -> str:
    """A date and time as it is kept."""
    return moment.isoformat(timespec="seconds")


def days_since(text: object, moment: datetime) -> float | None:
    """Days from a kept date and time to a moment; None where it is none."""
    try:
        then = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=timezone.utc)
    return (moment - then).total_seconds() / 86400.0
