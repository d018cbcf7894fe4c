# SPDX-License-Identifier: Apache-2.0
"""From which cell, under which calibration, data or a policy comes. It stands in datasets and checkpoints.

L is kept beside it: a dataset's `lead_steps`, a checkpoint's task. Each is refused where L is another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zprl_core.config import DelayConfig, loader
from zprl_core.config.fields import setting
from zprl_core.errors import CheckpointError

if TYPE_CHECKING:
    from zprl_core.config import RigConfig, TaskConfig

SHARE_OF_TICK = 0.5
"""A delay that changed by more than this makes a policy see another moment than it was trained on."""
_ROUNDING_S = 1e-9


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The delays of one cell while data was recorded, or a policy learned."""

    rig: str = setting("its name")
    calibration: str | None = setting("its id; null: not calibrated, or simulated time", default=None)
    delays: tuple[DelayConfig, ...] = setting(
        "how far snapshots look back, and how late each measured arm follows; none in simulated time",
        default=(),
    )

    @classmethod
    def of(cls, rig: RigConfig, task: TaskConfig, *, lockstep: bool) -> Provenance:
        """Of a session; in lockstep time waits for everything, and no delay is used."""
        if lockstep:
            return cls(rig=rig.name)
        views, measured = task.observation.cameras, rig.calibration
        delays = [DelayConfig(name=f"camera {v.name}", delay_s=rig.camera(v.name).delay_s) for v in views]
        delays.append(DelayConfig(name="proprioception", delay_s=rig.proprioception_delay_s))
        for arm in measured.arms if measured else ():
            delays.append(DelayConfig(name=f"arm {arm.name}", delay_s=arm.delay_s))
        return cls(rig=rig.name, calibration=measured.id if measured else None, delays=tuple(delays))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str) -> Provenance:
        """The inverse of `to_dict`.

        Raises:
            ConfigError: names `source` and the key.
        """
        return loader.from_data(cls, data, loader.Place(lambda _key: source))

    def to_dict(self) -> dict[str, Any]:
        """Plain data: rig, calibration, delays."""
        data: dict[str, Any] = loader.to_data(self)
        return data

    def __str__(self) -> str:
        made = f"calibration {self.calibration}" if self.calibration else "no calibration"
        return f"{made} of rig {self.rig}"


def compare(what: str, before: Provenance | None, now: Provenance, tick_s: float) -> str:
    """What somebody should know who uses `what` now: a warning, empty where nothing changed.

    Args:
        what: a file, for the message.
        before: where it comes from; None: an older file, which does not say.
        now: where it is used.
        tick_s: of the task, s.

    Raises:
        CheckpointError: a delay of the same rig is another one by more than half a tick.
    """
    if before is None:
        unknown = f"{what}: does not say under which calibration it was made; used under {now}"
        return unknown if now.calibration else ""
    changes = _changes(before, now)
    if before.calibration == now.calibration and not changes:
        return ""
    listed = ", ".join(f"{n} {1e3 * old:.1f} -> {1e3 * new:.1f} ms" for n, (old, new) in changes.items())
    text = f"{what}: made under {before}, used under {now}" + (f": {listed}" if listed else "")
    allowed_s = SHARE_OF_TICK * tick_s
    worst_s = max((abs(new - old) for old, new in changes.values()), default=0.0)
    if before.rig == now.rig and worst_s > allowed_s + _ROUNDING_S:
        raise CheckpointError(
            f"{text}. A delay may change by half a tick, {1e3 * allowed_s:.1f} ms: find out what became "
            "slower or faster and measure again (`zprl doctor --measure`), or record and pretrain anew"
        )
    return text


def _changes(before: Provenance, now: Provenance) -> dict[str, tuple[float, float]]:
    """Delays that both know and that differ, before and now, s."""
    old = {delay.name: delay.delay_s for delay in before.delays}
    both = {delay.name: (old[delay.name], delay.delay_s) for delay in now.delays if delay.name in old}
    return {name: pair for name, pair in both.items() if abs(pair[1] - pair[0]) > _ROUNDING_S}
