# SPDX-License-Identifier: Apache-2.0
"""Who stopped the arms, as a text that faults of arms and reasons of episodes begin with, and back again."""

from __future__ import annotations

_BY = "stopped by "
_ARM = "arm '"


def arm_source(arm: str) -> str:
    """How an arm calls itself when it stops the others of its rig."""
    return f"{_ARM}{arm}'"


def is_arm(source: str) -> bool:
    """Whether a stop's source is an arm of the rig, and no person or node."""
    return source.startswith(_ARM)


def stopped_by(source: str, reason: str = "") -> str:
    """The fault of an arm, or the reason of an episode, that a source stopped."""
    return f"{_BY}{source}: {reason}" if reason else f"{_BY}{source}"


def is_stop(text: str) -> bool:
    """Whether `stopped_by` made this text."""
    return text.startswith(_BY)


def who_asked(text: str) -> str | None:
    """The person or node that asked for the stop which a text tells of, and what was said:
    "recorder: the disk is full". None: it tells of no stop, or of one that an arm asked for.
    """
    asked = text.removeprefix(_BY)
    return None if asked == text or is_arm(asked) else asked
