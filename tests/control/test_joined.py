# SPDX-License-Identifier: Apache-2.0
"""The accounts of several arms come together in the order of the arms."""

from __future__ import annotations

from zprl_core.joined import JoinedReports


def test_in_the_order_of_the_arms_whoever_reports_first() -> None:
    joined: JoinedReports[str] = JoinedReports(["right", "left", "third"])
    assert joined.add("third", 0, 0, "c") is None
    assert joined.add("left", 0, 0, "b") is None
    assert joined.add("right", 0, 1, "another chunk") is None
    assert joined.add("right", 0, 0, "a") == ["a", "b", "c"]
