# SPDX-License-Identifier: Apache-2.0
"""Libraries that only one format needs: loaded where it is used."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from zprl_core.errors import ConfigError, DataError

EXTRA = "formats"


def open_hdf5(path: Path, what: str) -> Any:
    """An HDF5 file, opened for reading.

    Args:
        path: of it. what: that reads it, for the message.

    Raises:
        ConfigError: h5py is missing. DataError: it is none, or is cut off.
    """
    h5py = library("h5py", what)
    try:
        return h5py.File(path, "r")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is no whole HDF5 file ({error}); download or export it again") from error


def library(name: str, what: str) -> Any:
    """A module of the `formats` extra.

    Args:
        name: of the module, such as "h5py".
        what: that needs it, for the message.

    Raises:
        ConfigError: it is not installed, or cannot be loaded.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{what} needs the Python package {name.split('.')[0]} ({error}); "
            f"install it with: pip install -e '.[{EXTRA}]'"
        ) from error
