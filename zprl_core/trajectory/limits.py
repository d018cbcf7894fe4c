"""What an interpolator may do, and what it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from zprl_core.errors import ConfigError


class Status(str, Enum):
    """What the interpolator does now."""

    HOLDING = "holding"  # at rest, no chunk yet since the (re)start
    TRACKING = "tracking"  # inside a chunk
    BRAKING = "braking"  # no chunk since the last one's end: slowing down, then still; a chunk may go on
    TRIPPED = "tripped"  # that lasted longer than the watchdog's time: `restart` first
    STOPPED = "stopped"  # stopped by command: `restart` first


@dataclass(frozen=True)
class InterpolatorLimits:
    """How a path is joined and left.

    Attributes:
        blend_s: shortest blend from the last commanded setpoint into a new chunk (at most the chunk's
            length), s.
        catch_up_m_s, catch_up_rad_s: speed that a blend may add to close an offset; larger offsets blend
            longer.
        catch_up_gripper_m_s: speed at which the gripper catches up with a chunk that comes late, m/s.
        blend_m_s2, blend_rad_s2: acceleration that a blend may add to close a difference of velocities;
            larger differences blend longer.
        brake_m_s2, brake_rad_s2: deceleration when no chunk is valid.
        watchdog_s: time without a valid chunk after which `restart` is needed, s.
        handback_s: further time after a person's chunk, in which the policy plans anew, s.

    Raises:
        ConfigError: a value that is not finite and above 0.
    """

    blend_s: float = 0.1
    catch_up_m_s: float = 0.25
    catch_up_rad_s: float = 1.0
    catch_up_gripper_m_s: float = 0.1
    blend_m_s2: float = 10.0
    blend_rad_s2: float = 40.0
    brake_m_s2: float = 3.0
    brake_rad_s2: float = 10.0
    watchdog_s: float = 0.2
    handback_s: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (np.isfinite(value) and value > 0.0):
                raise ConfigError(f"interpolator limit {name}: {value}, allowed: a finite number above 0")
