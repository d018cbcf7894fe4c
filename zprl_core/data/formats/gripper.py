# SPDX-License-Identifier: Apache-2.0
"""Gripper commands of other datasets, and the width between the fingers that they stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from zprl_core.errors import ConfigError, DataError
from zprl_core.transforms import Array, finite

_TOLERANCE = 1e-3
"""Share of the range by which a command may lie outside, which rounding explains."""


@dataclass(frozen=True)
class GripperScale:
    """A straight line through two pairs of command and width, such as robosuite's -1 (open) and 1 (closed).

    Attributes:
        open_command, closed_command: numbers of the other dataset.
        open_width_m, closed_width_m: between the fingers, m.

    Raises:
        ConfigError: a number is not finite, a width is below 0, or open and closed are the same.
    """

    open_command: float
    open_width_m: float
    closed_command: float
    closed_width_m: float

    def __post_init__(self) -> None:
        pairs = (self.open_command, self.open_width_m), (self.closed_command, self.closed_width_m)
        for name, (command, width) in zip(("open", "closed"), pairs, strict=True):
            if not (math.isfinite(command) and math.isfinite(width) and width >= 0):
                raise ConfigError(
                    f"--gripper-{name} {command} {width}: takes a command and a width in m, 0 or more"
                )
        if pairs[0][0] == pairs[1][0] or self.open_width_m <= self.closed_width_m:
            raise ConfigError(
                f"--gripper-open {pairs[0][0]} {pairs[0][1]} --gripper-closed {pairs[1][0]} {pairs[1][1]}: "
                "the commands must differ, and open must be wider than closed"
            )

    def forward(self, commands: ArrayLike) -> Array:
        """Commands (T,) -> widths (T,), m, float64.

        Raises:
            DataError: a command lies outside of open to closed.
        """
        return _along("command", commands, self._commands, self._widths_m)

    def inverse(self, widths_m: ArrayLike) -> Array:
        """Widths (T,), m -> commands (T,), float64.

        Raises:
            DataError: a width lies outside of closed to open.
        """
        return _along("width", widths_m, self._widths_m, self._commands)

    @property
    def _commands(self) -> tuple[float, float]:
        return self.closed_command, self.open_command

    @property
    def _widths_m(self) -> tuple[float, float]:
        return self.closed_width_m, self.open_width_m


def _along(what: str, given: ArrayLike, ends: tuple[float, float], to: tuple[float, float]) -> Array:
    """Numbers between two ends (closed, open), at the same share of the way between two others."""
    values = finite(given, f"gripper {what}")
    share = (values - ends[0]) / (ends[1] - ends[0])
    outside = (share < -_TOLERANCE) | (share > 1.0 + _TOLERANCE)
    if outside.any():
        tick = int(np.argmax(outside))
        raise DataError(
            f"gripper {what} {values[tick]:g} at tick {tick} is not within closed = {ends[0]:g} and open = "
            f"{ends[1]:g}; give the range of the data with --gripper-open and --gripper-closed"
        )
    return np.asarray(to[0] + np.clip(share, 0.0, 1.0) * (to[1] - to[0]))
