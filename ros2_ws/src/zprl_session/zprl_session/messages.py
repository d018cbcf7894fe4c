"""The session's messages from what its state machine says, and what it is told from an arm's."""

from __future__ import annotations

from std_msgs.msg import Header
from zprl_interfaces.msg import ArmState, Correction, SessionState

from zprl_bringup import convert
from zprl_core.session import CorrectLabel, SessionView
from zprl_core.session.scene_reset import ArmSeen


def session_state(header: Header, view: SessionView) -> SessionState:
    """The state, for everyone."""
    return SessionState(
        header=header,
        run_id=view.run_id,
        sequence=view.sequence,
        clears=view.clears,
        state=view.state,
        episode=view.episode,
        block=view.block,
        mode=view.mode,
        cleared_chunk=view.cleared_chunk,
        outcome=view.outcome,
        ending_chunk=view.ending_chunk,
        layout_seed=view.layout_seed,
        layout=view.layout,
        author=view.author,
        possible=list(view.possible),
        since=convert.time_message(view.since_ns),
        window_s=view.window_s,
        reason=view.reason,
    )


def correction(header: Header, run_id: str, effect: CorrectLabel) -> Correction:
    """The outcome of an episode that is over was a mistake."""
    record = effect.record
    return Correction(
        header=header,
        run_id=run_id,
        command_id=effect.command_id,
        episode=record.episode,
        chunk=record.chunks - 1,
        outcome=record.outcome,
        author=record.label_author,
    )


def arm_seen(message: ArmState) -> ArmSeen:
    """What a reset has to know of an arm."""
    return ArmSeen(
        joint_position_rad=message.joint_position_rad.tolist(),
        owner=message.owner,
        shadow=message.shadow,
        homed_sequence=message.homed_sequence,
        fault=message.fault,
    )
