# SPDX-License-Identifier: Apache-2.0
"""A scripted expert for Place Orange, with flaws that a cloned policy inherits.

It grasps the half with the tongs in front of and behind it, lifts, carries it over while turning the
wrist by a quarter turn, lowers it through the ring onto the filter, lets go and retreats.

Two flaws, both of which depend on where the half lies, so that no constant correction cures them, and
neither of which averages out over demonstrations (a cloned policy is close to their conditional mean).
Both grow with the distance: most failures lie within what a perturbed latent reaches, some further out:

- *aim*: the grasp is off sideways (along y, across the closing direction), away from the tray's centre: a
  field that changes sign across the tray and saturates. Near the centre it is within the tolerance.
- *low carry*: on the far part of the tray (large x) it lifts and carries too low, so that the half or the
  tongs run into the juicer.

Behaving as if the half lay further inward cures either. By default every demonstration has the flaws of its
layout: a flaw by a coin's toss would be noise to a policy that is cloned from 300 of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zprl_sim import dimensions as dim
from zprl_sim.layout import Layout
from zprl_sim.rig import START_WIDTH, Setpoint, downward

Array = NDArray[np.float64]

GRASP_HEIGHT = 0.006  # m, tcp above the tray's floor
CLOSED_WIDTH = 0.050  # m, commanded: narrower than the half, so that the tongs press
HOVER = 0.075  # m above the grasp
CARRY_CLEARANCE = 0.025  # m, between the half and the ring's top
PLACE_GAP = 0.002  # m, left between half and filter when the tongs open
RETREAT = 0.080  # m
AIM_TOLERANCE = 0.015  # m, across the closing direction (measured)
_STREAM = 1_000_003  # keeps the expert's draws apart from the layouts'


@dataclass(frozen=True)
class Flaws:
    """What goes wrong in the demonstrations, lengths in m.

    Attributes:
        aim_share: share of the demonstrations whose aim is off.
        aim_error: the largest aim error, outward along y, where the half is far from the tray's centre.
        aim_scale: distance from the centre over which the error grows to its largest value.
        aim_spread: the error varies by this fraction of itself from one demonstration to the next.
        low_share: share of the demonstrations that carry too low, on the far side.
        low_drop: how much lower they carry at the most.
        low_from: the far side begins here, in x from the tray's centre.
        low_width: distance in x over which the drop grows to its largest value.
        height_noise: standard deviation of the carry height, in every demonstration.
        aim_noise: standard deviation of the aim, in every demonstration, each axis.
        hover_noise: standard deviation, each axis, of where the tongs arrive above the half before they come
            down on their aim. Without it the arm's own place would give the aim away once it hovers, and a
            cloned policy would keep whatever error its first chunk made instead of looking at the image.
    """

    aim_share: float = 1.0
    aim_error: float = 0.028
    aim_scale: float = 0.085
    aim_spread: float = 0.10
    low_share: float = 1.0
    low_drop: float = 0.040
    low_from: float = 0.010
    low_width: float = 0.036
    height_noise: float = 0.002
    aim_noise: float = 0.001
    hover_noise: float = 0.003


NO_FLAWS = Flaws(aim_share=0.0, low_share=0.0, height_noise=0.0, aim_noise=0.0, hover_noise=0.0)


@dataclass(frozen=True)
class Intent:
    """What one demonstration does: where it grasps and how high it carries.

    Attributes:
        aim_xy: offset of the grasp from the half's centre, m.
        carry_clearance: between the half's cut face and the ring's top while it is carried, m.
        flaws: names of the flaws in it ("aim", "low_carry").
        hover_xy: offset of the point above the grasp where the tongs first arrive, m.
    """

    aim_xy: tuple[float, float] = (0.0, 0.0)
    carry_clearance: float = CARRY_CLEARANCE
    flaws: tuple[str, ...] = ()
    hover_xy: tuple[float, float] = (0.0, 0.0)


def aim_error(layout: Layout, flaws: Flaws) -> float:
    """Offset along y (m) of a grasp whose aim is off: outward from the tray's centre, and saturating."""
    return flaws.aim_error * math.tanh((layout.half_xy[1] - dim.TRAY_CENTRE[1]) / flaws.aim_scale)


def carry_drop(layout: Layout, flaws: Flaws) -> float:
    """How much lower (m) a low demonstration carries: nothing near the arm, all of it far away."""
    beyond = layout.half_xy[0] - dim.TRAY_CENTRE[0] - flaws.low_from
    return flaws.low_drop * min(max(beyond / flaws.low_width, 0.0), 1.0)


def draw_intent(layout: Layout, flaws: Flaws, seed: int) -> Intent:
    """The intent of one demonstration: a pure function of layout, flaws and seed."""
    draw = np.random.Generator(np.random.Philox(key=[seed, _STREAM]))
    off_aim, too_low = draw.uniform() < flaws.aim_share, draw.uniform() < flaws.low_share
    spread = 1.0 + flaws.aim_spread * float(draw.uniform(-1.0, 1.0))
    noise = draw.standard_normal(5)
    outward = aim_error(layout, flaws) * spread if off_aim else 0.0
    drop = carry_drop(layout, flaws) if too_low else 0.0
    aim = (flaws.aim_noise * float(noise[0]), outward + flaws.aim_noise * float(noise[1]))
    hover = (flaws.hover_noise * float(noise[3]), flaws.hover_noise * float(noise[4]))
    clearance = CARRY_CLEARANCE - drop + flaws.height_noise * float(noise[2])
    return replace(_named(aim, clearance), hover_xy=hover)


def expected_intent(layout: Layout, flaws: Flaws) -> Intent:
    """The mean of `draw_intent` over demonstrations: about what a cloned policy does on this layout."""
    aim = (0.0, flaws.aim_share * aim_error(layout, flaws))
    return _named(aim, CARRY_CLEARANCE - flaws.low_share * carry_drop(layout, flaws))


def _named(aim_xy: tuple[float, float], clearance: float) -> Intent:
    names = (("aim", abs(aim_xy[1]) > AIM_TOLERANCE), ("low_carry", clearance < 0.0))
    return Intent(aim_xy, clearance, tuple(name for name, wrong in names if wrong))


@dataclass(frozen=True)
class _Key:
    """A pose to pass at a tick, at rest. Between two keys each coordinate follows a cubic.

    A minimum-jerk profile lingers so long at its ends that a policy cannot tell from the arm's pose how far
    the demonstration has come; the timing of the tongs then dominates what it learns.
    """

    tick: float
    position: tuple[float, float, float]
    yaw: float
    width: float


@dataclass(frozen=True)
class Timing:
    """Ticks (at 30 Hz) of each phase."""

    hold: int = 2
    reach: int = 24
    descend: int = 16
    close: int = 10
    lift: int = 14
    carry: int = 28
    lower: int = 12
    release: int = 10
    retreat: int = 10


def plan(layout: Layout, intent: Intent, timing: Timing | None = None) -> list[Setpoint]:
    """All setpoints of a demonstration, one per tick at 30 Hz; afterwards hold the last one."""
    keys = _keys(layout, intent, timing or Timing())
    last = int(keys[-1].tick)
    return [_at(keys, float(tick)) for tick in range(last + 1)]


def _keys(layout: Layout, intent: Intent, timing: Timing) -> list[_Key]:
    x, y = (value + offset for value, offset in zip(layout.half_xy, intent.aim_xy, strict=True))
    hover_x, hover_y = intent.hover_xy
    px, py = dim.JUICER_CENTRE
    grasp = dim.TRAY_FLOOR + GRASP_HEIGHT
    carry = dim.FILTER_TOP + dim.RING_HEIGHT + intent.carry_clearance + GRASP_HEIGHT
    place = dim.FILTER_TOP + GRASP_HEIGHT + PLACE_GAP
    yaw = dim.PLACE_YAW
    phases: list[tuple[int, tuple[float, float, float], float, float]] = [
        (timing.hold, layout.home_tcp, layout.home_yaw, START_WIDTH),
        (timing.reach, (x + hover_x, y + hover_y, grasp + HOVER), 0.0, START_WIDTH),
        (timing.descend, (x, y, grasp), 0.0, START_WIDTH),
        (timing.close, (x, y, grasp), 0.0, CLOSED_WIDTH),
        (timing.lift, (x, y, carry), 0.0, CLOSED_WIDTH),
        (timing.carry, (px, py, carry), yaw, CLOSED_WIDTH),
        (timing.lower, (px, py, place), yaw, CLOSED_WIDTH),
        (timing.release, (px, py, place), yaw, START_WIDTH),
        (timing.retreat, (px, py, place + RETREAT), yaw, START_WIDTH),
    ]
    keys = [_Key(0.0, layout.home_tcp, layout.home_yaw, START_WIDTH)]
    for ticks, position, turn, width in phases:
        keys.append(_Key(keys[-1].tick + ticks, position, turn, width))
    return keys


def _at(keys: list[_Key], tick: float) -> Setpoint:
    after = next(index for index, key in enumerate(keys) if tick <= key.tick)
    before, goal = keys[max(after - 1, 0)], keys[after]
    u = 1.0 if goal.tick == before.tick else (tick - before.tick) / (goal.tick - before.tick)
    s = u * u * (3.0 - 2.0 * u)
    start, end = np.array(before.position), np.array(goal.position)
    yaw = before.yaw + s * (goal.yaw - before.yaw)
    return Setpoint(start + s * (end - start), downward(yaw), before.width + s * (goal.width - before.width))
