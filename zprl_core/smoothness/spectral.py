# SPDX-License-Identifier: Apache-2.0
"""Spectral arc length: one number for how smooth a speed profile is, whatever its size and duration.

S. Balasubramanian, A. Melendez-Calderon, A. Roby-Brami, E. Burdet, "On the analysis of movement smoothness",
Journal of NeuroEngineering and Rehabilitation 12:112, 2015: minus the length of the curve that the
magnitude spectrum of the speed draws from 0 to a cut-off, with its height and the cut-off's frequency as
units. Jitter adds arcs and makes it more negative.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

CUT_OFF_HZ, THRESHOLD, PADDING = 10.0, 0.05, 4
"""The paper's: highest cut-off, share of the spectrum's height from which on it counts, and how often the
number of samples (rounded up to a power of two) is doubled by zeros.
"""
STILL_M_S = 1e-3
"""Below this peak speed nothing moved, and there is nothing that could be smooth."""


def spectral_arc_length(speed: ArrayLike, rate_hz: float) -> float | None:
    """SPARC of a speed profile.

    Args:
        speed: float64 (N,), m/s, at `rate_hz`.
        rate_hz: more than twice `CUT_OFF_HZ`.

    Returns:
        A negative number, about -1.4 for a bell-shaped movement; None for fewer than 4 samples, or where
        nothing moved.

    Raises:
        ValueError: a rate that does not hold the cut-off.
    """
    profile = np.asarray(speed, dtype=np.float64)
    if rate_hz <= 2.0 * CUT_OFF_HZ:
        raise ValueError(f"rate_hz is {rate_hz:g}, allowed: more than {2.0 * CUT_OFF_HZ:g}")
    if len(profile) < 4 or profile.max() < STILL_M_S:
        return None
    padded = 2 ** (math.ceil(math.log2(len(profile))) + PADDING)
    magnitude = np.abs(np.fft.rfft(profile, padded))
    frequency = np.arange(len(magnitude)) * (rate_hz / padded)
    height = magnitude[frequency <= CUT_OFF_HZ] / magnitude[0]
    last = int(np.flatnonzero(height >= THRESHOLD)[-1])
    if last == 0:
        return None
    return -float(np.hypot(1.0 / last, np.diff(height[: last + 1])).sum())
