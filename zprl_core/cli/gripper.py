# SPDX-License-Identifier: Apache-2.0
"""--gripper-open and --gripper-closed: what another library's gripper commands stand for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from zprl_core.errors import ConfigError

if TYPE_CHECKING:
    from zprl_core.data.formats.gripper import GripperScale


def configure(parser: argparse.ArgumentParser) -> None:
    """Both arguments."""
    for name in ("open", "closed"):
        parser.add_argument(
            f"--gripper-{name}",
            nargs=2,
            type=float,
            metavar=("COMMAND", "WIDTH"),
            help=f"the other library's command for {name}, and the width between the fingers in m",
        )


def scale_of(args: argparse.Namespace) -> GripperScale | None:
    """What they say; None: nothing.

    Raises:
        ConfigError: only one end was said, or the two make no scale.
    """
    from zprl_core.data.formats.gripper import GripperScale

    if args.gripper_open is None and args.gripper_closed is None:
        return None
    if args.gripper_open is None or args.gripper_closed is None:
        raise ConfigError("--gripper-open and --gripper-closed: give both, or neither")
    return GripperScale(*args.gripper_open, *args.gripper_closed)
