# SPDX-License-Identifier: Apache-2.0
"""What was measured at a cell: how late its devices are. `zprl doctor --rig R --measure` writes it."""

from __future__ import annotations

from dataclasses import dataclass

from zprl_core.config.fields import setting


@dataclass(frozen=True, kw_only=True)
class DelayConfig:
    """How late one device is."""

    name: str = setting("of the camera or arm")
    delay_s: float = setting("99 % of its samples are younger when they come", unit="s", low=0.0, high=1.0)


@dataclass(frozen=True, kw_only=True)
class CalibrationConfig:
    """Delays of one rig."""

    id: str = setting("names this measurement, for logs and checkpoints")
    measured: str = setting("date and time")
    cameras: tuple[DelayConfig, ...] = setting("from a picture's stamp until the policy has it", default=())
    arms: tuple[DelayConfig, ...] = setting("from a setpoint's time to the same pose measured", default=())
    proprioception_delay_s: float = setting(
        "from an arm state's stamp to its arrival", default=0.0, unit="s", low=0.0, high=1.0
    )
    planning_s: float = setting(
        "from a snapshot to the chunk planned from it; 0: not measured",
        default=0.0,
        unit="s",
        low=0.0,
    )
