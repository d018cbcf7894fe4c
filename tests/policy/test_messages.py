# SPDX-License-Identifier: Apache-2.0
"""What a bridge's report means for learning."""

from __future__ import annotations

import pytest
from zprl_interfaces.msg import ChunkReport as Message

from policy_node.messages import chunk_report


@pytest.mark.parametrize(
    ("status", "clamped", "spoiled", "interrupted"),
    [
        (Message.EXECUTED, 0.0, "", ""),
        (Message.EXECUTED, 0.3, "clamped in 30% of its servo periods, allowed 25%", ""),
        (Message.REFUSED, 0.0, "refused: why", ""),
        (Message.OVERRIDDEN, 0.0, "overridden: why", ""),
        (Message.INTERRUPTED, 0.0, "", "interrupted: why"),
    ],
)
def test_what_is_not_learned_from(status: int, clamped: float, spoiled: str, interrupted: str) -> None:
    report = chunk_report(Message(status=status, clamped_fraction=clamped, reason="why"), 0.25)
    assert (report.spoiled, report.interrupted) == (spoiled, interrupted)
