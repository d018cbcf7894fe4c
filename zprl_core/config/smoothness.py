# SPDX-License-Identifier: Apache-2.0
"""From when on an episode's motion is rough enough that a person should look, see docs/smoothness.md."""

from __future__ import annotations

from dataclasses import dataclass

from zprl_core.config.fields import setting


@dataclass(frozen=True, kw_only=True)
class MotionLimitsConfig:
    """Limits of one motion of the tool, for its 95th percentile over an episode. null: no alarm."""

    speed_m_s: float | None = setting("of the tool centre point", default=None, unit="m/s", above=0.0)
    acceleration_m_s2: float | None = setting(
        "of the tool centre point", default=None, unit="m/s^2", above=0.0
    )
    jerk_m_s3: float | None = setting("of the tool centre point", default=None, unit="m/s^3", above=0.0)
    sparc: float | None = setting("least spectral arc length of its speed", default=None, high=0.0)


@dataclass(frozen=True, kw_only=True)
class SmoothnessConfig:
    """Alarms about an episode's motion. They are shown and stop nothing."""

    commanded: MotionLimitsConfig = setting("of the setpoints", factory=MotionLimitsConfig)
    measured: MotionLimitsConfig = setting("of what the arm did", factory=MotionLimitsConfig)
