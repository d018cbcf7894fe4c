# SPDX-License-Identifier: Apache-2.0
"""What a bridge's report means for learning."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from zprl_interfaces.msg import ChunkReport as Message

from policy_node.messages import chunk_execution, steering_status, worst
from zprl_core.effects import ChunkExecution, SendChunk
from zprl_core.planned import Plan
from zprl_core.steering.guard import GuardState, GuardValues


@pytest.mark.parametrize(
    ("status", "clamped", "spoiled", "interrupted"),
    [
        (Message.EXECUTED, 0.0, "", ""),
        (Message.EXECUTED, 0.3, "clamped in 30% of its servo periods, allowed 25% (why)", ""),
        (Message.REFUSED, 0.0, "refused: why", ""),
        (Message.OVERRIDDEN, 0.0, "overridden: why", ""),
        (Message.INTERRUPTED, 0.0, "", "interrupted: why"),
        (Message.LABELLED, 0.0, "", "interrupted: why"),
        (Message.TAKEN_OVER, 0.0, "", "interrupted: why"),
    ],
)
def test_what_is_not_learned_from(status: int, clamped: float, spoiled: str, interrupted: str) -> None:
    execution = chunk_execution(Message(status=status, clamped_fraction=clamped, reason="why"), 0.25)
    assert (execution.spoiled, execution.interrupted) == (spoiled, interrupted)
    assert execution.labelled == (status == Message.LABELLED)


def test_what_a_person_executed() -> None:
    message = Message(status=Message.OVERRIDDEN, dim=2, executed=[1.0, 2.0, 3.0, 4.0])
    execution = chunk_execution(message, 0.25)
    assert execution.by_hand and execution.executed is not None
    assert execution.executed.tolist() == [[1, 2], [3, 4]]
    assert chunk_execution(Message(status=Message.OVERRIDDEN, dim=2), 0.25).executed is None


LABELLED = ChunkExecution(interrupted="labelled", labelled=True)
PAUSED = ChunkExecution(interrupted="paused")


def test_a_label_counts_as_what_cut_a_chunk_short_where_nothing_else_did() -> None:
    assert worst([LABELLED, ChunkExecution()]).labelled and worst([ChunkExecution(), LABELLED]).labelled
    for reports in ([LABELLED, PAUSED], [PAUSED, LABELLED]):
        assert (worst(reports).interrupted, worst(reports).labelled) == ("paused", False)


LEFT = ChunkExecution(executed=np.array([[1.0]]))
RIGHT = ChunkExecution("overridden", by_hand=True, executed=np.array([[2.0]]))


def test_a_person_at_one_of_two_arms() -> None:
    both = worst([LEFT, RIGHT])
    assert (both.spoiled, both.by_hand) == ("overridden", True)
    assert both.executed is not None and both.executed.tolist() == [[1, 2]]
    assert worst([LEFT, LEFT]).executed is None


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(LEFT, spoiled="clamped"),
        dataclasses.replace(LEFT, interrupted="stopped"),
        dataclasses.replace(LEFT, executed=None),
    ],
)
def test_where_the_other_arm_did_something_else_nothing_is_known_to_explain(other: ChunkExecution) -> None:
    assert worst([other, RIGHT]).executed is None


def _sent(values: GuardValues) -> SendChunk:
    one = np.zeros(1, np.float32)
    plan = Plan(one, one, one, one, one, one, scale=0.7, guard=values)
    return SendChunk(3, 4, plan, 5, "", GuardState(0.49, (), "displacement 0.9, allowed 0.8"))


def test_the_account_of_a_chunk() -> None:
    status = steering_status(_sent(GuardValues(0.1, 0.6, 0.9)), 2_000_000_000, 0.02, 7)
    assert (status.episode, status.chunk, status.actor_version, status.stalls) == (3, 4, 5, 7)
    assert (status.perturbation_rms_ratio, status.mahalanobis) == (0.1, 0.6)
    assert (status.feature_displacement, status.lambda_scale) == (0.9, 0.7)
    assert status.guard == "displacement 0.9, allowed 0.8" and status.header.stamp.sec == 2


def test_the_account_of_a_chunk_that_is_not_steered() -> None:
    status = steering_status(_sent(GuardValues()), 0, 0.02, 0)
    assert status.perturbation_rms_ratio == 0.0
    assert math.isnan(status.mahalanobis) and math.isnan(status.feature_displacement)
