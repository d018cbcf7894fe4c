# SPDX-License-Identifier: Apache-2.0
"""A demonstrator of Adroit's door: hand poses in the handle's frame, whose numbers a random search found.

It has no memory and no clock, so that a policy that sees one state can imitate it: how near the hand is to
its grasp and how far the latch is turned, each from 0 to 1, blend the poses. Far, it hovers above the handle
with the fingers open. Near, it hooks them over the handle and leads it downwards. Once the latch is free, it
pulls along the door's own arc. Slipped off, it is far again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.errors import ConfigError
from zprl_core.experiments.environments.adroit_arm import HIGH, LOW, Vector, about, reach
from zprl_core.experiments.environments.flaw import draw_flaw
from zprl_core.experiments.environments.protocol import Expert

FLAW = ("palm x, m", "palm y, m", "palm z, m")
"""Of a flaw: how far from the handle the palm aims, in the world frame."""
NUMBERS = Path(__file__).with_name("adroit_door.yaml")
LEVER = np.array([0.15, 0.0, 0.0])
"""From the latch's axis to its handle's middle, m: x along the bar, y through the door, z across both."""
AJAR, WIDE = 0.5, 1.35
"""Hinge angles, rad: from the one on, the pull is to the side in full; up to the other, the wrist turns."""


@dataclass(frozen=True)
class DoorNumbers:
    """What the search may choose: m, rad, s and factors."""

    along: float  # the grasp, from the handle's middle, along the bar
    up: float  # and across it
    depth: float  # and towards the door
    held_along: float  # added to the grasp while pulling
    held_up: float
    hover: float  # of the approach above the grasp
    back: float  # and before it, while it is not yet above the bar
    near: float  # distance from the grasp where the hand is at it
    far: float  # and where it begins to be
    lead: float  # angle by which the aim is ahead of the latch
    free: float  # latch angle where the pull begins
    free_width: float  # and by which it is in full
    pull: float  # distance by which the aim is ahead of the handle
    slack: float  # lag along the pull that does not count as slipping
    side: float  # of the pull, to the right, once the door is ajar
    roll: float  # of the forearm
    roll_gain: float  # and how it follows the latch
    held_roll: float  # added while pulling
    yaw: float  # of the wrist, WRJ1
    pitch: float  # of the wrist, WRJ0
    held_pitch: float  # added while pulling
    wide_yaw: float  # both added as the door opens: the arm alone does not reach so far to the right
    wide_pitch: float
    open_knuckles: float  # of the four fingers when far
    open_joints: float
    hook_knuckles: float  # and when near
    hook_joints: float
    thumb_out: float  # THJ4
    thumb_across: float  # THJ3
    thumb_bend: float  # THJ0 when near
    stiffness: float  # factor on the way from the palm to its aim: against load and the arm's slowness
    damping: float  # s, of the arm's joints

    @classmethod
    def read(cls, path: Path = NUMBERS) -> DoorNumbers:
        """Those that `scripts/adroit_expert.py` found."""
        return cls(**yaml.safe_load(path.read_text()))


class DoorExpert:
    """Opens Adroit's door. Implements `Expert`; the units of its flaw and noise are m of the palm's aim.

    Args:
        task: whose `benchmark.demonstrator` says how it fails; a flaw is (x, y, z) in the world frame.
        rng: of this episode's flaw and noise.
        numbers: other poses than those found.

    Raises:
        ConfigError: the flaw is to be used and has not three numbers.
    """

    def __init__(
        self, task: TaskConfig, rng: np.random.Generator, numbers: DoorNumbers | None = None
    ) -> None:
        assert task.benchmark is not None
        self._settings, self._rng = task.benchmark.demonstrator, rng
        self._numbers = numbers or DoorNumbers.read()
        self._flaw = draw_flaw(task, FLAW, rng)

    def act(self, state: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The next waypoint (28,), rad and m."""
        n, view = self._numbers, _View(state, self._numbers)
        offset = self._flaw + self._rng.normal(0.0, self._settings.noise, 3)
        near = view.near(offset)
        lead = n.lead * near * (1.0 - view.free)
        aim = view.grasp(lead) + offset + view.door @ view.approach(near, offset)
        aim += view.free * near * (view.door @ np.array([0.0, -n.pull, 0.0]))
        aim[0] += n.side * _ramp(view.hinge, 0.0, AJAR)
        roll = n.roll + n.roll_gain * (view.latch + lead) + n.held_roll * view.free
        ahead = view.palm + n.stiffness * (aim - view.palm)
        arm = np.append(reach(ahead, view.joints[3], view.joints[4:6]), roll)
        targets = np.concatenate([arm - n.damping * state["arm_velocities"], self._hand(near, view)])
        return np.clip(targets, LOW, HIGH).astype(np.float32)

    def _hand(self, near: float, view: _View) -> Vector:
        """The wrist's, the fingers' and the thumb's targets (24,), rad."""
        n, wide = self._numbers, _ramp(view.hinge, AJAR, WIDE)
        wrist = [n.yaw + n.wide_yaw * wide, n.pitch + n.held_pitch * view.free + n.wide_pitch * wide]
        knuckle = n.open_knuckles + near * (n.hook_knuckles - n.open_knuckles)
        joint = n.open_joints + near * (n.hook_joints - n.open_joints)
        finger = [0.0, knuckle, joint, joint]
        thumb = [n.thumb_out, n.thumb_across, 0.0, 0.0, n.thumb_bend * near]
        return np.array([*wrist, *finger * 3, 0.0, *finger, *thumb])


class _View:
    """A state as seen from the handle."""

    def __init__(self, state: Mapping[str, NDArray[Any]], numbers: DoorNumbers) -> None:
        self._numbers = numbers
        self.joints, self.palm = state["joint_angles"], state["palm_position"]
        self.latch, self.hinge = float(state["latch_angle"][0]), float(state["hinge_angle"][0])
        self.door = about(2, self.hinge)
        self.free = _ramp(self.latch, numbers.free, numbers.free + numbers.free_width)
        self._axis = state["handle_position"] - self.door @ about(1, self.latch) @ LEVER

    def grasp(self, lead: float) -> Vector:
        """Where the palm holds the handle when it is turned further by `lead`: (3,), world, m."""
        n, free = self._numbers, self.free
        held = LEVER + np.array([n.along + free * n.held_along, 0.0, n.up + free * n.held_up])
        place: Vector = self._axis + self.door @ (about(1, self.latch + lead) @ held + [0.0, n.depth, 0.0])
        return place

    def near(self, offset: Vector) -> float:
        """From 0, the hand is away from its grasp, to 1, it is at it."""
        error = self._error(offset)
        error[1] = max(0.0, abs(error[1]) - self.free * self._numbers.slack)
        return 1.0 - _ramp(float(np.linalg.norm(error)), self._numbers.near, self._numbers.far)

    def approach(self, near: float, offset: Vector) -> Vector:
        """What is added to the grasp to come from above, and from before the door: (3,), door's frame, m."""
        n, error = self._numbers, self._error(offset)
        beside = _ramp(float(np.hypot(error[0], error[2])), 0.0, n.far)
        above = about(1, self.latch) @ np.array([0.0, 0.0, n.hover])
        way: Vector = (1.0 - near) * (above - np.array([0.0, n.back * beside, 0.0]))
        return way

    def _error(self, offset: Vector) -> Vector:
        """From the palm to its grasp (3,): along the bar, through the door, across the bar; m."""
        error: Vector = (self.door @ about(1, self.latch)).T @ (self.grasp(0.0) + offset - self.palm)
        return error


def make_expert(task: TaskConfig, rng: np.random.Generator) -> Expert:
    """The demonstrator of a task, for one episode.

    Raises:
        ConfigError: the task has none here.
    """
    assert task.benchmark is not None
    name = task.benchmark.environment
    if name != "AdroitHandDoor-v1":
        raise ConfigError(
            f"task {task.name}: {name} has no expert here, only AdroitHandDoor-v1 has; import D4RL's "
            "demonstrations with `zprl dataset import --format d4rl`"
        )
    return DoorExpert(task, rng)


def _ramp(value: float, low: float, high: float) -> float:
    """From 0 at `low` to 1 at `high`, straight, and cut."""
    return min(1.0, max(0.0, (value - low) / max(high - low, 1e-3)))
