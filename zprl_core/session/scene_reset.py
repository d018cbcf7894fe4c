# SPDX-License-Identifier: Apache-2.0
"""A reset of the scene: the arms go home, the objects are laid out, and the arms are still there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zprl_core.config import ArmConfig
from zprl_core.session.homes import Homes
from zprl_core.session.messages import ResetWorld
from zprl_core.stops import who_asked

CLEAR_S = 5.0  # how long an arm's fault may take to clear
HOMING_S = 60.0


@dataclass(frozen=True)
class ArmSeen:
    """What ``ArmState.msg`` tells of an arm's way home; its fields.

    Attributes:
        joint_position_rad: (joints,).
        owner: who moves it: stop, human, policy, homing or none.
        shadow: its motors are off.
        homed_sequence: of the session's state that it went home for; 0: it is not at home.
        fault: empty, or why it holds.
    """

    joint_position_rad: Sequence[float]
    owner: str
    shadow: bool
    homed_sequence: int
    fault: str


@dataclass(frozen=True)
class StopAsked:
    """A person or a node stopped the arm: stop the session too."""

    author: str


@dataclass(frozen=True)
class ArmFailed:
    """The episode cannot be finished: it is void."""

    reason: str


@dataclass(frozen=True)
class ResetDone:
    """Call `Session.reset_done`."""

    episode: int
    layout: str


class SceneReset:
    """Brings one `ResetWorld` at a time to its end. After whatever it was told, `take_step` until it is None.

    Args:
        arms: of the rig; those of a simulated world are put home by its reset, and are not waited for.
    """

    def __init__(self, arms: Sequence[ArmConfig]) -> None:
        self._homes = Homes(arms)
        self._faults = {arm.name: "" for arm in arms}
        self._going_home: set[str] = set()
        self._sequence, self._since_ns, self._layout = 0, 0, ""
        self._waiting: ResetWorld | None = None  # for the arms to be at home
        self._asked: ResetWorld | None = None  # to be laid out
        self._laid_out: ResetDone | None = None  # waits for the arms once more

    def start(self, effect: ResetWorld, sequence: int, layout: str, now_ns: int) -> None:
        """A reset begins; one before it is forgotten.

        Args:
            sequence: of the session's state with which it begins.
            layout: where the objects lie already, if they do.
        """
        self._waiting, self._asked, self._laid_out = effect, None, None
        self._sequence, self._since_ns, self._layout = sequence, now_ns, layout

    def drop(self) -> None:
        """The session was stopped, or has a fault: nothing more comes of the reset."""
        self._waiting = self._asked = self._laid_out = None

    def on_arm(self, arm: str, seen: ArmSeen, state: str) -> StopAsked | ArmFailed | None:
        """An arm was seen while the session was in this state. A new fault ends an episode that is ready or
        runs, and a reset whose way home it interrupts; at any other time it is nobody's business but the
        arm's.
        """
        new = bool(seen.fault) and not self._faults[arm]
        interrupted = new and arm in self._going_home
        self._faults[arm] = seen.fault
        if new and (asked := who_asked(seen.fault)) is not None:
            return StopAsked(asked)
        (self._going_home.add if seen.owner == "homing" else self._going_home.discard)(arm)
        if interrupted or (new and state in ("ready", "running")):
            return ArmFailed(f"arm '{arm}': {seen.fault}")
        if arm in self._homes:
            self._homes.on_state(arm, seen.homed_sequence, seen.joint_position_rad, shadow=seen.shadow)
        return None

    def laid_out(self, effect: ResetWorld, layout: str, now_ns: int) -> None:
        """The objects lie as `take_step` has asked for; an arm may have been moved meanwhile. What an earlier
        reset has asked for is passed over: the world is about to be laid out anew.
        """
        if effect is self._asked:
            self._asked, self._since_ns = None, now_ns
            self._laid_out = ResetDone(effect.episode, layout)

    def take_step(self) -> ResetWorld | ResetDone | None:
        """What is to be done now, which is told once: lay out the world, then call `laid_out`; or announce
        that the reset is done. None: nothing, or not before every arm is at home.
        """
        if not self._waits or self.displaced:
            return None
        effect, self._waiting = self._waiting, None
        if effect is not None and not effect.laid_out:
            self._asked = effect
            return effect
        done = self._laid_out if effect is None else ResetDone(effect.episode, self._layout)
        self._laid_out = None
        return done

    def late(self, now_ns: int) -> str:
        """Why the arms are not waited for any longer; empty while they are."""
        waited_s = (now_ns - self._since_ns) * 1e-9 if self._waits else 0.0
        broken = [f"arm '{arm}': {self._faults[arm]}" for arm in self._homes if self._faults[arm]]
        if broken and waited_s > CLEAR_S:
            return "; ".join(broken)
        if waited_s > HOMING_S:
            return f"after {HOMING_S:g} s: {self._homes.problem(self._sequence)}"
        return ""

    @property
    def displaced(self) -> bool:
        """An arm is not at its home, or has not gone there for this reset."""
        return bool(self._homes.problem(self._sequence))

    @property
    def _waits(self) -> bool:
        return self._waiting is not None or self._laid_out is not None
