"""The waits between attempts to open a lost camera."""

from __future__ import annotations

import itertools

from zprl_cameras.reconnect import delays_s


def test_half_a_second_doubled_to_five() -> None:
    assert list(itertools.islice(delays_s(), 6)) == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
