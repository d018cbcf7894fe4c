"""Between the learning side's types and messages."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from zprl_interfaces.msg import ActionChunk, ChunkReport, PlannedChunk, SteeringStatus
from zprl_interfaces.msg import Transition as TransitionMessage

from zprl_bringup import convert
from zprl_core.effects import ChunkExecution, SendChunk, clamped_beyond
from zprl_core.planned import PLAN_ARRAYS
from zprl_core.rl.transition import Transition

CUT_SHORT = (ChunkReport.INTERRUPTED, ChunkReport.LABELLED, ChunkReport.TAKEN_OVER)


def chunk_message(
    send: SendChunk, columns: slice, start_ns: int, dt_s: float, run_id: str, frame_id: str
) -> ActionChunk:
    """One arm's part of a plan: `columns` of every waypoint."""
    actions = send.plan.actions[:, columns]
    return ActionChunk(
        header=convert.header(start_ns, frame_id),
        run_id=run_id,
        episode=send.episode,
        chunk=send.chunk,
        source="policy",
        actor_version=send.actor_version,
        dt_s=dt_s,
        dim=actions.shape[1],
        actions=convert.doubles(actions),
    )


def planned_chunk(
    send: SendChunk, mode: str, observed_ns: int, start_ns: int, inference_s: float, run_id: str
) -> PlannedChunk:
    """All of a plan.

    Args:
        send: the chunk. mode: path of the policy.
        observed_ns, start_ns: time of its snapshot, and of its first waypoint.
        inference_s: from snapshot to plan.
        run_id: of the session.
    """
    plan = send.plan
    arrays = {name: convert.floats(getattr(plan, name)) for name in PLAN_ARRAYS}
    return PlannedChunk(
        header=convert.header(observed_ns),
        run_id=run_id,
        episode=send.episode,
        chunk=send.chunk,
        mode=mode,
        actor_version=send.actor_version,
        weights=send.weights,
        chunk_start=convert.time_message(start_ns),
        scale=plan.scale,
        inference_s=inference_s,
        dim=plan.actions.shape[1],
        **arrays,
    )


def steering_status(send: SendChunk, stamp_ns: int, inference_s: float, stalls: int) -> SteeringStatus:
    """The account of a planned chunk.

    Args:
        send: the chunk. stamp_ns: when it begins.
        inference_s: from snapshot to plan.
        stalls: chunks so far that waited for their actor.
    """
    values = send.plan.guard
    return SteeringStatus(
        header=convert.header(stamp_ns),
        episode=send.episode,
        chunk=send.chunk,
        actor_version=send.actor_version,
        inference_s=inference_s,
        perturbation_rms_ratio=0.0 if math.isnan(values.rms_ratio) else values.rms_ratio,
        mahalanobis=values.mahalanobis,
        feature_displacement=values.displacement,
        lambda_scale=send.plan.scale,
        guard=send.guard.beyond,
        stalls=stalls,
    )


def transition_message(transition: Transition) -> TransitionMessage:
    """A transition for /learner/update."""
    return TransitionMessage(
        episode=transition.episode,
        chunk=transition.chunk,
        c=convert.floats(transition.c),
        z=convert.floats(transition.z),
        z_tilde=convert.floats(transition.z_tilde),
        reward=transition.reward,
        terminal=transition.terminal,
        last=transition.last,
        c_next=convert.floats(transition.c_next),
        z_next=convert.floats(transition.z_next),
        excluded=transition.excluded,
    )


def chunk_execution(message: ChunkReport, clamped_limit: float) -> ChunkExecution:
    """What the agent needs to know of a bridge's report.

    Args:
        clamped_limit: share of clamped servo periods above which a chunk is not learned from.
    """
    spoiled, interrupted = _spoiled(message, clamped_limit), ""
    if not spoiled and message.status in CUT_SHORT:
        interrupted = f"interrupted: {message.reason}"
    labelled = message.status == ChunkReport.LABELLED
    by_hand = message.status == ChunkReport.OVERRIDDEN
    return ChunkExecution(spoiled, interrupted, labelled, by_hand, _executed(message))


def worst(executions: Sequence[ChunkExecution]) -> ChunkExecution:
    """The account of a chunk that several arms executed, in their order.

    What spoiled or interrupted it for one of them; the label, where nothing else did. Where that is only that
    a person took over one or more of them, it says what all of them executed, if that is known.
    """
    spoiled = (each.spoiled for each in executions if each.spoiled)
    interrupted = sorted((each for each in executions if each.interrupted), key=lambda each: each.labelled)
    first = interrupted[0] if interrupted else ChunkExecution()
    parts = [each.executed for each in executions if each.executed is not None]
    by_hand = any(each.by_hand for each in executions) and not any(
        each.interrupted or (each.spoiled and not each.by_hand) for each in executions
    )
    whole = by_hand and len(parts) == len(executions)
    executed = np.concatenate(parts, axis=1) if whole else None
    return ChunkExecution(next(spoiled, ""), first.interrupted, first.labelled, by_hand, executed)


def _spoiled(message: ChunkReport, clamped_limit: float) -> str:
    if message.status == ChunkReport.REFUSED:
        return f"refused: {message.reason}"
    if message.status == ChunkReport.SHADOW:
        return "shadow mode: it was not executed"
    if message.status == ChunkReport.OVERRIDDEN:
        return f"overridden: {message.reason}"
    return clamped_beyond(clamped_limit, message.clamped_fraction, message.reason)


def _executed(message: ChunkReport) -> NDArray[np.float64] | None:
    if not message.executed or message.dim < 1:
        return None
    return convert.vector(message.executed).reshape(-1, message.dim)
