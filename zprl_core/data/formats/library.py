# SPDX-License-Identifier: Apache-2.0
"""Libraries that only one format needs: loaded where it is used."""

from __future__ import annotations

import importlib
from typing import Any

from zprl_core.errors import ConfigError

EXTRA = "formats"


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
            f"install it with: pip install 'zprl[{EXTRA}]'"
        ) from error
