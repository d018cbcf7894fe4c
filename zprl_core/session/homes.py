"""Which real arms are at their homes for the reset that is under way. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from zprl_core.config import ArmConfig


@dataclass
class _Arm:
    home_rad: Sequence[float]
    tolerance_rad: float
    homed_sequence: int = 0
    joints_rad: Sequence[float] = field(default_factory=tuple)
    shadow: bool = False


class Homes:
    """What the arms that go home by themselves have told.

    Args:
        arms: of the rig; those of a simulated world are put home by its reset, and do not count.
    """

    def __init__(self, arms: Iterable[ArmConfig]) -> None:
        self._arms = {
            arm.name: _Arm(arm.homing.joints_rad, arm.homing.tolerance_rad)
            for arm in arms
            if arm.driver != "sim"
        }

    def __contains__(self, arm: str) -> bool:
        return arm in self._arms

    def __iter__(self) -> Iterator[str]:
        return iter(self._arms)

    def __bool__(self) -> bool:
        return bool(self._arms)

    def on_state(self, arm: str, homed_sequence: int, joints_rad: Sequence[float], *, shadow: bool) -> None:
        """An arm was measured.

        Args:
            homed_sequence: of the session's state that it went home for.
            joints_rad: (joints,).
            shadow: its motors are off: it is not moved home, and need not be there.
        """
        known = self._arms[arm]
        known.homed_sequence, known.joints_rad, known.shadow = homed_sequence, joints_rad, shadow

    def problem(self, sequence: int) -> str:
        """Why the reset that began with this sequence of the session is not over; empty where all arms are at
        home, having gone there for it.
        """
        return "; ".join(filter(None, (_problem(name, arm, sequence) for name, arm in self._arms.items())))


def _problem(name: str, arm: _Arm, sequence: int) -> str:
    if arm.homed_sequence < sequence:
        return f"arm '{name}' has not gone home"
    if arm.shadow:
        return ""
    if len(arm.joints_rad) != len(arm.home_rad):
        return f"arm '{name}' tells {len(arm.joints_rad)} joint angles, its home has {len(arm.home_rad)}"
    misses = np.abs(np.subtract(arm.joints_rad, arm.home_rad))
    worst = int(misses.argmax())
    if misses[worst] <= arm.tolerance_rad:
        return ""
    return (
        f"arm '{name}' was at home, and joint {worst + 1} is {misses[worst]:.3f} rad from there now, allowed "
        f"{arm.tolerance_rad:g} rad (homing.tolerance_rad); was it moved?"
    )
