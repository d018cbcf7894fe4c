"""A point that follows a wanted one inside limits of speed, acceleration and jerk, and can always stop.

**What is limited.** With ``h1, h2, h3`` the times before the last three setpoints (``h1`` the newest),

    v = step / h1,   a = change of v / ((h1 + h2) / 2),   j = change of a / ((h1 + h2 + h3) / 3)

are the divided differences of the stream. Each is an average of the corresponding derivative of any curve
through the setpoints, so a stream sampled from a curve inside the limits is inside them, whenever it is
sampled.

**Why a stop always remains.** The parabola through the last three setpoints is such a curve up to now, and
the `Stop` from its end is one from now on. Together they are a curve inside all limits, so its samples are
setpoints inside all limits, whatever the coming steps last. A setpoint is sent only when such a stop from it
exists; otherwise the last stop that exists is followed, or a mixture of both that has one of its own.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from zprl_core import rotation as rot
from zprl_core.rotation import Vector
from zprl_core.safety.region import Region
from zprl_core.safety.stopping import ZERO, Stop, rest, stop_from

_SLACK = 1.0 + 1e-6  # of every limit: rounding in the third difference of positions
_HALVINGS = 6  # of the way from the stop to where it wants to go
_GENTLE = 0.5  # share of the acceleration and jerk that catching up plans with


class Bounds(NamedTuple):
    """Highest speed, acceleration and jerk (norms), per s, s^2, s^3. The latter two may be infinite."""

    speed: float
    acceleration: float
    jerk: float


class _Spans(NamedTuple):
    """Times that the differences divide by, s: the step, and the means of two and three steps."""

    step: float
    two: float
    three: float


class _Move(NamedTuple):
    """A point with the differences that lead to it."""

    position: Vector
    velocity: Vector
    acceleration: Vector


class Follower:
    """Follows a wanted point: exactly while that keeps the limits, else as near as they allow.

    After it had to leave the wanted point it closes in on a braking profile, relative to the wanted point's
    own motion, and is exactly on it again as soon as it can stay there.

    Args:
        bounds: of the motion.
        position: where it is, at rest.
        region: where it may be; None: anywhere.
    """

    def __init__(self, bounds: Bounds, position: Vector, region: Region | None = None) -> None:
        self._bounds, self._whole = bounds, region
        self.restart(position)

    @property
    def position(self) -> Vector:
        """Where it was sent last."""
        return self._position

    @property
    def at_rest(self) -> bool:
        """Whether following the stop moves it no more."""
        return self._stopping_s >= self._stop.duration_s

    def restart(self, position: Vector) -> None:
        """It is at ``position``, at rest."""
        self._wanted, self._wanted_velocity, self._exact = position, ZERO, True
        self._stand(position)

    def pause(self) -> None:
        """It has been left alone so long that it is at rest where it was sent last."""
        self._stand(self._position)

    def follow(self, wanted: Vector, step_s: float) -> tuple[Vector, str]:
        """Where to be ``step_s`` (above 0) after the last call, and what kept it from ``wanted``.

        The reason is "workspace", "keep-out", "velocity", "acceleration", "jerk", or empty where the point
        returned is ``wanted`` itself.
        """
        goal, moved = self._region.nearest(wanted) if self._region else (wanted, "")
        spans = self._spans(step_s)
        motion = self._motion_of(goal, spans)
        move = self._move(goal, spans)
        problem, stop = self._judge(move, spans)
        if not problem and not self._exact:
            problem = self._cannot_stay(move, motion, spans)
        if problem or stop is None:
            move, stop, wall = self._nearest(self._aim(goal, motion, spans), spans)
            moved = wall or problem
        self._exact = not problem
        self._wanted, self._wanted_velocity = goal, motion[0]
        self._go(move, stop, spans)
        return self._position, moved

    def brake(self, step_s: float) -> Vector:
        """Where to be ``step_s`` after the last call on the way to rest."""
        spans = self._spans(step_s)
        position = self._stop.at(self._stopping_s + step_s)
        self._go(self._move(position, spans), None, spans)
        self._wanted, self._wanted_velocity, self._exact = position, ZERO, self.at_rest
        return position

    def _stand(self, position: Vector) -> None:
        self._position, self._velocity, self._acceleration = position, ZERO, ZERO
        self._steps: tuple[float, float] | None = None  # the last two; None: at rest for long
        self._stop, self._stopping_s = rest(position), 0.0
        self._region = self._whole.around(position) if self._whole else None

    def _spans(self, step_s: float) -> _Spans:
        before, earlier = self._steps or (step_s, step_s)
        return _Spans(step_s, 0.5 * (step_s + before), (step_s + before + earlier) / 3.0)

    def _move(self, position: Vector, spans: _Spans) -> _Move:
        velocity = rot.scale(1.0 / spans.step, rot.subtract(position, self._position))
        acceleration = rot.scale(1.0 / spans.two, rot.subtract(velocity, self._velocity))
        return _Move(position, velocity, acceleration)

    def _judge(self, move: _Move, spans: _Spans) -> tuple[str, Stop | None]:
        """What forbids the move, or nothing, and then the stop from it."""
        problem = self._too_fast(move, self._acceleration, spans.three)
        if problem:
            return problem, None
        stop = self._stop_after(move, spans.step)
        fastest = self._bounds.speed * _SLACK
        if rot.norm(stop.velocity) > fastest or rot.norm(stop.remaining) > fastest:
            return "velocity", None
        problem = self._region.problem(self._position, move.position, stop) if self._region else ""
        return problem, None if problem else stop

    def _too_fast(self, move: _Move, before: Vector, three: float) -> str:
        speed, most, jerk = self._bounds
        if rot.norm(move.velocity) > speed * _SLACK:
            return "velocity"
        if rot.norm(move.acceleration) > most * _SLACK:
            return "acceleration"
        change = rot.norm(rot.subtract(move.acceleration, before))
        return "jerk" if change > jerk * three * _SLACK else ""

    def _stop_after(self, move: _Move, step_s: float) -> Stop:
        _, most, jerk = self._bounds
        velocity = move.velocity
        if not math.isinf(jerk):  # of the parabola's end
            velocity = rot.add(velocity, rot.scale(0.5 * step_s, move.acceleration))
        return stop_from(move.position, velocity, move.acceleration, most, jerk)

    def _cannot_stay(self, move: _Move, motion: tuple[Vector, Vector], spans: _Spans) -> str:
        """What forbids to go on with the wanted point's acceleration after the move, or nothing."""
        h = spans.step
        steady = rot.scale(1.0 / spans.two, rot.subtract(*motion))
        velocity = rot.add(motion[0], rot.scale(h, steady))
        change = rot.scale(1.0 / h, rot.subtract(velocity, move.velocity))
        problem = self._too_fast(_Move(move.position, velocity, change), move.acceleration, h)
        return problem or self._too_fast(_Move(move.position, motion[0], steady), change, h)

    def _motion_of(self, goal: Vector, spans: _Spans) -> tuple[Vector, Vector]:
        """Velocity of the wanted point, now and a step before; where it jumped, none, and where that jumped,
        the present one.
        """
        speed, most, _ = self._bounds
        velocity = rot.scale(1.0 / spans.step, rot.subtract(goal, self._wanted))
        if rot.norm(velocity) > speed * _SLACK:
            return ZERO, ZERO
        before = self._wanted_velocity
        jumped = rot.norm(rot.subtract(velocity, before)) > most * spans.two * _SLACK
        return velocity, velocity if jumped else before

    def _aim(self, goal: Vector, motion: tuple[Vector, Vector], spans: _Spans) -> Vector:
        """Where the law of catching up would go."""
        speed, most, jerk = self._bounds
        now, before = motion
        behind = rot.subtract(goal, rot.add(self._position, rot.scale(spans.step, now)))
        distance = rot.norm(behind)
        left = _left_after(distance, spans.step, _GENTLE * most, _GENTLE * _GENTLE * jerk)
        closing = (distance - left) / (distance * spans.step) if distance else 0.0
        target = _shortened(rot.add(now, rot.scale(closing, behind)), speed)
        change = rot.subtract(rot.subtract(target, now), rot.subtract(self._velocity, before))
        missing = rot.norm(change)
        push = min(_push(missing, spans.two + 0.5 * spans.step, _GENTLE * jerk), most, missing / spans.two)
        wish = rot.scale(1.0 / spans.two, rot.subtract(now, before))
        if missing:
            wish = rot.add(wish, rot.scale(push / missing, change))
        turn = _shortened(rot.subtract(wish, self._acceleration), jerk * spans.three)
        acceleration = _shortened(rot.add(self._acceleration, turn), most)
        velocity = _shortened(rot.add(self._velocity, rot.scale(spans.two, acceleration)), speed)
        return rot.add(self._position, rot.scale(spans.step, velocity))

    def _nearest(self, aim: Vector, spans: _Spans) -> tuple[_Move, Stop | None, str]:
        """The move farthest from the present stop towards ``aim`` that has a stop; without one, the stop. And
        which part of the region's border kept it from ``aim``, or nothing.
        """
        safe = self._stop.at(self._stopping_s + spans.step)
        way = rot.subtract(aim, safe)
        high, low = self._reach(safe, way, spans), 0.0
        best: tuple[_Move, Stop | None] = (self._move(safe, spans), None)
        share, wall = high, ""
        for _ in range(_HALVINGS):
            move = self._move(self._kept(rot.add(safe, rot.scale(share, way))), spans)
            problem, stop = self._judge(move, spans)
            if problem:
                high = share
                wall = problem if problem in ("workspace", "keep-out") else wall
            else:
                best, low = (move, stop), share
            if low == high:
                break
            share = 0.5 * (low + high)
        return *best, wall

    def _reach(self, safe: Vector, way: Vector, spans: _Spans) -> float:
        """The largest share of ``way`` from ``safe`` that keeps the limits of the differences."""
        speed, most, jerk = self._bounds
        coasting = rot.add(self._position, rot.scale(spans.step, self._velocity))
        pushed = rot.add(coasting, rot.scale(spans.step * spans.two, self._acceleration))
        per_a = spans.step * spans.two
        return min(
            _share(safe, way, self._position, speed * spans.step),
            _share(safe, way, coasting, most * per_a),
            _share(safe, way, pushed, jerk * spans.three * per_a),
        )

    def _kept(self, point: Vector) -> Vector:
        return self._region.clip(point) if self._region else point

    def _go(self, move: _Move, stop: Stop | None, spans: _Spans) -> None:
        """The move is sent; without a stop of its own it lies on the present one."""
        before = self._steps[0] if self._steps else spans.step
        self._steps = (spans.step, before)
        self._position, self._velocity, self._acceleration = move
        if stop is None:
            self._stopping_s += spans.step
        else:
            self._stop, self._stopping_s = stop, 0.0
        if self._region is not self._whole and self._whole is not None:
            self._region = self._whole.around(self._position)


def _left_after(distance: float, step_s: float, most: float, jerk: float) -> float:
    """The distance left after a step at the speed that a braking profile has there.

    The profile ends in rest with a constant jerk, before that with a constant deceleration.
    """
    if math.isinf(most):
        return 0.0
    low, high = 0.0, distance
    for _ in range(30):
        middle = 0.5 * (low + high)
        if middle + step_s * _closing_speed(middle, most, jerk) > distance:
            high = middle
        else:
            low = middle
    return low


def _closing_speed(distance: float, most: float, jerk: float) -> float:
    if math.isinf(jerk):
        return math.sqrt(2.0 * most * distance)
    release = most * most * most / (6.0 * jerk * jerk)
    if distance <= release:
        return 0.5 * jerk * float((6.0 * distance / jerk) ** (2.0 / 3.0))
    return math.sqrt((0.5 * most * most / jerk) ** 2 + 2.0 * most * (distance - release))


def _push(missing: float, spans_s: float, jerk: float) -> float:
    """The acceleration with which a missing velocity is made up, so that the jerk ends it in time."""
    if math.isinf(jerk):
        return math.inf
    half = jerk * spans_s
    return 2.0 * jerk * missing / (half + math.sqrt(half * half + 2.0 * jerk * missing)) if missing else 0.0


def _shortened(vector: Vector, most: float) -> Vector:
    length = rot.norm(vector)
    return vector if length <= most else rot.scale(most / length, vector)


def _share(start: Vector, way: Vector, centre: Vector, radius: float) -> float:
    """The largest share of ``way``, at most 1, that stays in a ball which holds ``start``."""
    if math.isinf(radius):
        return 1.0
    x, y, z = rot.subtract(start, centre)
    a = way[0] * way[0] + way[1] * way[1] + way[2] * way[2]
    b = x * way[0] + y * way[1] + z * way[2]
    c = min(x * x + y * y + z * z - radius * radius, 0.0)
    if a + 2.0 * b + c <= 0.0:
        return 1.0
    return (math.sqrt(b * b - a * c) - b) / a
