"""Between the learning side's types and messages."""

from __future__ import annotations

from collections.abc import Sequence

from zprl_interfaces.msg import ActionChunk
from zprl_interfaces.msg import ChunkReport as ChunkReportMessage
from zprl_interfaces.msg import Transition as TransitionMessage

from zprl_bringup import convert
from zprl_core.agent import ChunkReport, SendChunk
from zprl_core.rl.transition import Transition


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


def chunk_report(message: ChunkReportMessage, clamped_limit: float) -> ChunkReport:
    """What the agent needs to know of a bridge's report.

    Args:
        clamped_limit: share of clamped servo periods above which a chunk is not learned from.
    """
    if message.status == ChunkReportMessage.REFUSED:
        return ChunkReport(spoiled=f"refused: {message.reason}")
    if message.status == ChunkReportMessage.SHADOW:
        return ChunkReport(spoiled="shadow mode: it was not executed")
    if message.status == ChunkReportMessage.OVERRIDDEN:
        return ChunkReport(spoiled=f"overridden: {message.reason}")
    if message.clamped_fraction > clamped_limit:
        share, limit = f"{message.clamped_fraction:.0%}", f"{clamped_limit:.0%}"
        return ChunkReport(spoiled=f"clamped in {share} of its servo periods, allowed {limit}")
    if message.status == ChunkReportMessage.INTERRUPTED:
        return ChunkReport(interrupted=f"interrupted: {message.reason}")
    return ChunkReport()


def worst(reports: Sequence[ChunkReport]) -> ChunkReport:
    """The account of a chunk that several arms executed: what spoiled or interrupted it for one of them."""
    spoiled = (report.spoiled for report in reports if report.spoiled)
    interrupted = (report.interrupted for report in reports if report.interrupted)
    return ChunkReport(next(spoiled, ""), next(interrupted, ""))
