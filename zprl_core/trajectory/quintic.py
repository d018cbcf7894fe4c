"""From rest to rest: the quintic ``s = 10 u^3 - 15 u^4 + 6 u^5`` of a motion's share of time ``u``."""

from __future__ import annotations

PEAKS = (1.875, 5.7736, 60.0)
"""Of its first three derivatives by its share of time."""


def share(u: float) -> float:
    """``s``, for a ``u`` that is held within 0 to 1."""
    u = min(max(u, 0.0), 1.0)
    return u * u * u * (10.0 + u * (6.0 * u - 15.0))


def duration_s(travel: float, most: tuple[float, float | None, float | None]) -> float:
    """Seconds over ``travel`` (m or rad) that keep the largest speed, acceleration and jerk; None: any."""
    return max(
        (peak * travel / limit) ** (1.0 / order)
        for order, (peak, limit) in enumerate(zip(PEAKS, most, strict=True), 1)
        if limit is not None
    )
