"""Motions whose derivatives are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from zprl_core import transforms
from zprl_core.smoothness import Track
from zprl_core.transforms import Array

START_NS = 1_700_000_000_000_000_000


def stamps(t_s: ArrayLike) -> np.ndarray:
    """Seconds as stamps of the system clock."""
    return START_NS + np.rint(np.asarray(t_s) * 1e9).astype(np.int64)


def track(t_s: Array, position: Array, rotvec: Array | None = None) -> Track:
    """A track of positions (N, 3) and rotation vectors (N, 3), without which the tool does not turn."""
    turned = transforms.quaternion_from_rotvec(np.zeros((len(t_s), 3)) if rotvec is None else rotvec)
    return Track(stamps(t_s), position, turned)


def whole(track: Track) -> list[tuple[int, int]]:
    """The interval of everything."""
    return [(int(track.stamp_ns.min()), int(track.stamp_ns.max()))]


def times(seconds: float, rate_hz: float) -> Array:
    """From 0 to `seconds`."""
    return np.arange(int(seconds * rate_hz + 1e-6) + 1) / rate_hz


def along_x(x: Array) -> Array:
    """Positions (N, 3) on the x axis."""
    return np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=1)


def minimum_jerk(t_s: Array, amplitude_m: float, begin_s: float, duration_s: float) -> Array:
    """Positions (N,) of the movement that has the least jerk, at rest before and after."""
    u = np.clip((t_s - begin_s) / duration_s, 0.0, 1.0)
    return np.asarray(amplitude_m * u**3 * (10.0 - 15.0 * u + 6.0 * u**2))
