"""How long to wait before a lost camera is opened again. Pure."""

from __future__ import annotations

from collections.abc import Iterator

FIRST_S = 0.5
LONGEST_S = 5.0


def delays_s() -> Iterator[float]:
    """Waiting times before the first, second, ... attempt, s: doubled up to `LONGEST_S`; endless."""
    delay_s = FIRST_S
    while True:
        yield delay_s
        delay_s = min(2.0 * delay_s, LONGEST_S)
