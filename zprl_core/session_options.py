# SPDX-License-Identifier: Apache-2.0
"""How a session is run, whatever it does."""

from __future__ import annotations

from dataclasses import dataclass

from zprl_core.config import RigConfig
from zprl_core.panel_address import DEFAULT_TELEOP


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """What a user says of a session besides what it does.

    Attributes:
        lockstep: simulated time; None: as the rig says.
        shadow: motors stay off: everything runs, nothing moves, nothing is learned.
        operator: on a simulated rig: a person starts and labels, instead of the judge.
        panel: host:port of the operator's panel, "" for none; None: on this machine, where a person labels.
        record: every episode becomes a bag; None: where the rig is real, and in a resumed run as before.
        teleop: host:port of the teleoperation page, "" for none.
    """

    lockstep: bool | None = None
    shadow: bool = False
    operator: bool = False
    panel: str | None = None
    record: bool | None = None
    teleop: str = ""

    @classmethod
    def of_demonstrations(cls, panel: str | None = None, teleop: str = "") -> SessionOptions:
        """Those of a collection: a person moves the arms, on the wall clock, and every episode becomes a bag.

        Args:
            panel: see there. teleop: "" for the usual address.
        """
        teleop = teleop or DEFAULT_TELEOP
        return cls(lockstep=False, operator=True, panel=panel, record=True, teleop=teleop)

    def in_lockstep(self, rig: RigConfig) -> bool:
        """Whether a new session runs in simulated time."""
        if self.lockstep is not None:
            return self.lockstep
        return rig.simulation is not None and rig.simulation.lockstep

    def recorded(self, rig: RigConfig) -> bool:
        """Whether a new session's episodes become bags."""
        return not rig.simulated if self.record is None else self.record


USUAL = SessionOptions()
