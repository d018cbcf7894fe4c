# SPDX-License-Identifier: Apache-2.0
"""How smoothly an arm was told to move, and moved. Start at `smoothness_of` and `policy_steps`.

Formulas, sources and how to read the numbers: docs/smoothness.md. Nothing here knows ROS or reads a clock.
"""

from __future__ import annotations

from zprl_core.smoothness.alarms import Alarm, alarms
from zprl_core.smoothness.metrics import QUANTITIES, Smoothness, Spread, smoothness_of
from zprl_core.smoothness.policy_steps import PolicySteps, policy_steps
from zprl_core.smoothness.spectral import spectral_arc_length
from zprl_core.smoothness.track import Intervals, Track

__all__ = [
    "QUANTITIES",
    "Alarm",
    "Intervals",
    "PolicySteps",
    "Smoothness",
    "Spread",
    "Track",
    "alarms",
    "policy_steps",
    "smoothness_of",
    "spectral_arc_length",
]
