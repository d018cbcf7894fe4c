"""The own readers of LeRobot and robomimic, in the environment that scripts/format_readers.sh makes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-format-readers/bin/python"
needs_readers = pytest.mark.skipif(
    not PYTHON.exists(), reason="scripts/format_readers.sh makes .venv-format-readers, which is not there"
)


def run_reader(script: str, *arguments: Path | str) -> None:
    """Run a script beside this file in that environment."""
    command = [PYTHON, Path(__file__).with_name(script), *arguments]
    offline = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env={**os.environ, **offline}, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-4000:]


def read_with(script: str, source: Path, scratch: Path) -> dict[str, NDArray[Any]]:
    """What the reader found in `source`, by name."""
    out = scratch / "found.npz"
    run_reader(script, source, out)
    with np.load(out) as found:
        return dict(found)
