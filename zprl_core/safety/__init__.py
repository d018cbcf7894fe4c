"""What may move an arm. No safety function: an emergency stop in hardware is.

A chunk passes a list of checks before it may be interpolated (`SafetyGate.admit`), and every setpoint
passes a limiter before it is sent (`ServoLimiter.limit`). Non-finite numbers are refused first; only then
is anything clamped. More checks are further functions in the list. `supervision` compares what the arm
measures with what it was told.
"""

from zprl_core.safety.checks import (
    DEFAULT_CHECKS,
    LEASE,
    Check,
    ChunkCommand,
    Lease,
    Purpose,
    Situation,
    lease_for,
    may_move,
)
from zprl_core.safety.gate import ChunkForm, SafetyGate
from zprl_core.safety.limits import KeepOut, SafetyLimits
from zprl_core.safety.servo import Braked, ServoLimiter

__all__ = [
    "DEFAULT_CHECKS",
    "LEASE",
    "Braked",
    "Check",
    "ChunkCommand",
    "ChunkForm",
    "KeepOut",
    "Lease",
    "Purpose",
    "SafetyGate",
    "SafetyLimits",
    "ServoLimiter",
    "Situation",
    "lease_for",
    "may_move",
]
