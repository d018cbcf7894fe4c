"""QoS profiles, one per kind of topic, so that publishers and subscribers cannot disagree.

Everything is reliable: a rig runs on one host over shared memory, where reliability costs an acknowledgement
and drops nothing. A lossy viewer may still subscribe as best effort.
"""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

STREAM_DEPTH = 16


def stream(lockstep: bool, depth: int = STREAM_DEPTH) -> QoSProfile:
    """Images, states, chunks, reports.

    In lockstep the last `depth` messages are kept for a process that joins late: it may come up after the
    very message that the whole graph waits for. In real time old messages are worthless, so none are kept.
    """
    durability = DurabilityPolicy.TRANSIENT_LOCAL if lockstep else DurabilityPolicy.VOLATILE
    return _profile(durability, depth)


def replayed() -> QoSProfile:
    """What a player sends as fast as it is taken: nothing is dropped, however slow the other end is."""
    profile = _profile(DurabilityPolicy.VOLATILE, 0)
    profile.history = HistoryPolicy.KEEP_ALL
    return profile


def latched() -> QoSProfile:
    """A value of which only the newest counts: whoever joins gets it."""
    return _profile(DurabilityPolicy.TRANSIENT_LOCAL, 1)


def changes() -> QoSProfile:
    """A latched state every change of which matters: for its publisher and those who must see all in order.

    A depth of 1 at the publisher would let a change overwrite the one before it in a slow reader's queue.
    """
    return _profile(DurabilityPolicy.TRANSIENT_LOCAL, 64)


def status() -> QoSProfile:
    """Diagnostics: reliable, a short queue, nothing kept."""
    return _profile(DurabilityPolicy.VOLATILE, 8)


def viewer() -> QoSProfile:
    """For who only shows: the newest message, which may be lost, without acknowledgements."""
    profile = _profile(DurabilityPolicy.VOLATILE, 1)
    profile.reliability = ReliabilityPolicy.BEST_EFFORT
    return profile


def _profile(durability: DurabilityPolicy, depth: int) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=durability,
    )
