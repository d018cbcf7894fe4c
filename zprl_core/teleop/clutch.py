"""A hand that holds a clutch moves an arm: relative to where both were when it closed. Pure.

Frames: a headset's reference space has x to the right, y up, and z towards the wearer (WebXR Device API,
"local-floor"); an arm's base frame has z up. A wearer who looks along the base frame's x axis has yaw 0; one
who faces the arm has pi.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from zprl_core.transforms import (
    Pose,
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_quaternion,
)

AXES = ("x", "y", "z", "rotation")
_BASE_XR = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Takes the reference space's coordinates to those of a base frame whose x axis the wearer looks along."""


@dataclass(frozen=True)
class ClutchSettings:
    """How a hand moves an arm.

    Attributes:
        scale: metres of the tool for one of the hand.
        yaw_rad: from the base frame's x axis to where the wearer looks, about z.
        locked: axes of the base frame, and "rotation", in which the hand moves nothing.
        press, release: how far the grip is pressed, 0 to 1, where the clutch closes and opens.
        silence_s: the clutch opens where the hand was not heard of for so long.
        jump_m_s, jump_rad_s: faster than this no hand moves: its tracking has jumped.
    """

    scale: float = 1.0
    yaw_rad: float = 0.0
    locked: frozenset[str] = field(default_factory=frozenset)
    press: float = 0.6
    release: float = 0.4
    silence_s: float = 0.3
    jump_m_s: float = 4.0
    jump_rad_s: float = 20.0


class HandSample(NamedTuple):
    """What a headset says of one hand.

    Attributes:
        stamp_ns: when, ns of this machine's clock.
        headset_ms: when, ms of the headset's clock: what came late is no jump.
        pose: of the grip in the reference space.
        grip: how far the grip button is pressed, 0 to 1.
        tracked: whether the position was seen, and not made up (`emulatedPosition`).
    """

    stamp_ns: int
    headset_ms: float
    pose: Pose
    grip: float
    tracked: bool = True


class Target(NamedTuple):
    """Where the tool shall be.

    Attributes:
        pose: of the tool centre point in the base frame; None while the clutch is open.
        why: why it opened by itself, until the grip is let go; empty else.
    """

    pose: Pose | None
    why: str = ""


class Clutch:
    """One hand and one arm.

    The clutch closes when the grip is pressed and opens when it is let go. It also opens where the hand
    cannot be followed; then the grip has to be let go before it closes again. When it closes the target is
    where the arm is told to be, so that closing moves nothing.

    Args:
        settings: see there.
    """

    def __init__(self, settings: ClutchSettings) -> None:
        self.settings = settings
        self._before: HandSample | None = None
        self._hand: Pose | None = None  # where both were when it closed
        self._tool: Pose | None = None
        self._let_go, self._why = False, ""

    @property
    def closed(self) -> bool:
        """Whether the hand moves the arm."""
        return self._hand is not None

    @property
    def why(self) -> str:
        """Why it opened by itself, until the grip is let go; empty else."""
        return self._why

    @property
    def seen_ns(self) -> int:
        """When the hand was seen last, ns; 0 before it ever was."""
        return self._before.stamp_ns if self._before is not None else 0

    def hand(self, sample: HandSample, tool: Pose) -> Target:
        """The hand was seen.

        Args:
            sample: the newest.
            tool: where the arm is told to be, in its base frame.
        """
        before, self._before = self._before, sample
        if sample.grip <= self.settings.release:
            self._hand, self._let_go, self._why = None, True, ""
            return Target(None)
        if self.closed or self._let_go:
            self._look(before, sample)
        if not self.closed and self._let_go and sample.grip >= self.settings.press:
            self._hand, self._tool, self._let_go = sample.pose, tool, False
        return self._target(sample.pose)

    def time(self, now_ns: int) -> Target:
        """Time has passed: opens where the hand has been silent."""
        if self._before is None:
            return Target(None, self._why)
        silent_ns, allowed_s = now_ns - self._before.stamp_ns, self.settings.silence_s
        if self.closed and silent_ns > round(allowed_s * 1e9):
            self.open(f"no word from the headset for {silent_ns * 1e-9:.2f} s, allowed {allowed_s:g} s")
        return self._target(self._before.pose)

    def forget(self) -> None:
        """Another page is heard from here on, whose clock is another one: it has to close the clutch anew."""
        if self.closed:
            self.open("the page was connected again")
        self._before = None

    def open(self, why: str) -> None:
        """Open it, and say why until the grip is let go."""
        if self.closed or not self._why:
            self._why = why
        self._hand, self._let_go = None, False

    def _look(self, before: HandSample | None, sample: HandSample) -> None:
        """Opens where the hand cannot be followed."""
        if not sample.tracked:
            self.open("the headset does not see the controller: hold it where the headset looks")
        elif before is not None and (jump := self._jump(before, sample)):
            self.open(jump)

    def _jump(self, before: HandSample, sample: HandSample) -> str:
        seconds = max((sample.headset_ms - before.headset_ms) * 1e-3, 1e-3)
        moved_m, turned_rad = before.pose.distance(sample.pose)
        if moved_m <= self.settings.jump_m_s * seconds and turned_rad <= self.settings.jump_rad_s * seconds:
            return ""
        return f"the controller jumped by {moved_m:.2f} m and {turned_rad:.1f} rad in {seconds * 1e3:.0f} ms"

    def _target(self, hand: Pose) -> Target:
        if self._hand is None or self._tool is None:
            return Target(None, self._why)
        turn = self._to_base()
        way = self.settings.scale * (turn @ (hand.position - self._hand.position))
        way *= [axis not in self.settings.locked for axis in AXES[:3]]
        quaternion = self._tool.quaternion
        if "rotation" not in self.settings.locked:
            turned = quaternion_multiply(hand.quaternion, quaternion_conjugate(self._hand.quaternion))
            in_base = quaternion_from_rotvec(turn @ rotvec_from_quaternion(turned))
            quaternion = quaternion_multiply(in_base, quaternion)
        return Target(Pose(self._tool.position + way, quaternion))

    def _to_base(self) -> np.ndarray:
        """Takes the reference space's coordinates to the base frame's, (3, 3)."""
        cosine, sine = math.cos(self.settings.yaw_rad), math.sin(self.settings.yaw_rad)
        return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]]) @ _BASE_XR


END = 0.05
"""Share of a trigger's way, at either end, that does nothing: a worn one does not reach it."""


class Grasp:
    """A trigger that closes a gripper, continuously; pressed all the way it is shut.

    The gripper keeps its width until the trigger has passed by it: a hand that takes over an arm which holds
    something does not drop it.

    Args:
        shut_m, open_m: widths of the gripper, m.
    """

    def __init__(self, shut_m: float, open_m: float) -> None:
        self._shut_m, self._open_m = shut_m, open_m
        self._kept_m: float | None = None
        self._side = 0.0

    def take(self, width_m: float) -> None:
        """The clutch closed on an arm whose gripper is told to be so wide."""
        self._kept_m, self._side = width_m, 0.0

    def width_m(self, trigger: float) -> float:
        """The width for a trigger that is pressed so far, 0 to 1."""
        pressed = min(max((trigger - END) / (1.0 - 2.0 * END), 0.0), 1.0)
        wanted = self._open_m + pressed * (self._shut_m - self._open_m)
        if self._kept_m is None:
            return wanted
        side = math.copysign(1.0, wanted - self._kept_m) if wanted != self._kept_m else 0.0
        if side == 0.0 or side == -self._side:
            self._kept_m = None
            return wanted
        self._side = side
        return self._kept_m
