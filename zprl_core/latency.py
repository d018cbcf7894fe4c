# SPDX-License-Identifier: Apache-2.0
"""How late an arm follows: the time by which a measured curve lies behind the commanded one. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zprl_core.errors import DataError

_STEP_S = 0.001
_EARLIEST_S = -0.05  # setpoints are sent ahead of their time, and a quick arm may be there before it
_LEAST_SAMPLES = 20
_LEAST_EXPLAINED = 0.9
_GAINS = (0.5, 1.5)
Curve = NDArray[np.float64]


class Delay(NamedTuple):
    """What was fitted: measured(t) = offset + gain * commanded(t - delay).

    Attributes:
        delay_s: how late the motion is; a little below 0 where it is ahead of the setpoints' times.
        gain: size of the measured motion for that of the commanded one.
        explained: share of the measured variance that the fit explains, at most 1.
    """

    delay_s: float
    gain: float
    explained: float


def fit_delay(
    commanded_s: ArrayLike,
    commanded: ArrayLike,
    measured_s: ArrayLike,
    measured: ArrayLike,
    longest_s: float = 0.5,
) -> Delay:
    """The time shift with the least squared error.

    Args:
        commanded_s, commanded: times, growing, and values of what was commanded, each (n,); before the first
            and after the last one the value stays.
        measured_s, measured: the same for what was measured, each (m,), on the same clock.
        longest_s: delays up to this are looked for.

    Raises:
        DataError: too few samples, no motion to compare, or a motion that is not the commanded one.
    """
    at, there = _curve("commanded", commanded_s, commanded)
    seen_at, seen = _curve("measured", measured_s, measured)
    shifts = np.arange(_EARLIEST_S, longest_s + _STEP_S, _STEP_S)
    fits = [_fit(np.interp(seen_at - shift, at, there), seen) for shift in shifts]
    explained = np.array([fit[1] for fit in fits])
    best = int(explained.argmax())
    found = Delay(float(shifts[best]) + _STEP_S * _top(explained, best), *fits[best])
    _check(found, best in (0, len(shifts) - 1), longest_s)
    return found


def _curve(name: str, times: ArrayLike, values: ArrayLike) -> tuple[Curve, Curve]:
    at, value = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if at.shape != value.shape or at.ndim != 1 or len(at) < _LEAST_SAMPLES:
        raise DataError(
            f"{name} motion: {at.shape} times and {value.shape} values, needs {_LEAST_SAMPLES} or more"
        )
    if not (np.isfinite(at).all() and np.isfinite(value).all() and (np.diff(at) > 0.0).all()):
        raise DataError(f"{name} motion: every number must be finite, every time later than the one before")
    return at, value


def _fit(commanded: Curve, measured: Curve) -> tuple[float, float]:
    """Gain, and share of the variance that it explains with an offset of its own."""
    wish, seen = commanded - commanded.mean(), measured - measured.mean()
    power, variance = float(wish @ wish), float(seen @ seen)
    if power <= 0.0 or variance <= 0.0:
        return 0.0, 0.0
    together = float(wish @ seen)
    return together / power, together**2 / (power * variance)


def _top(values: Curve, best: int) -> float:
    """The top of the parabola through the best value and its neighbours, in steps from the best."""
    if best in (0, len(values) - 1):
        return 0.0
    before, top, after = values[best - 1 : best + 2].tolist()
    bend = before - 2.0 * top + after
    return float(0.5 * (before - after) / bend) if bend < 0.0 else 0.0


def _check(found: Delay, at_an_end: bool, longest_s: float) -> None:
    low, high = _GAINS
    if found.explained < _LEAST_EXPLAINED or not low <= found.gain <= high:
        raise DataError(
            f"the measured motion is not the commanded one: {found.gain:.2f} times its size, allowed {low:g} "
            f"to {high:g}, and {found.explained:.2f} of it explained, allowed {_LEAST_EXPLAINED:g} or more; "
            "is the arm free, and is it this arm that moved?"
        )
    if at_an_end:
        raise DataError(
            f"the motion is {found.delay_s:.3f} s late, or more: allowed {_EARLIEST_S:g} to {longest_s:g} "
            "s; check the network and both clocks"
        )
