# SPDX-License-Identifier: Apache-2.0
"""How a rig's episodes are recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zprl_core.config.fields import setting


@dataclass(frozen=True, kw_only=True)
class RecordingConfig:
    """What goes into the bag of an episode, and how soon it is safe from a kill. See docs/bags.md."""

    images: Literal["raw", "jpeg"] = setting(
        "pictures as they are, or as lossy JPEG on <topic>/compressed; depth stays raw", default="raw"
    )
    jpeg_quality: int = setting("of JPEG", default=90, low=1, high=100)
    flush_s: float = setting(
        "how often what was written is handed to the kernel; a kill loses this much",
        default=0.25,
        unit="s",
        above=0.0,
        high=0.5,
    )
    reserve_gib: float = setting(
        "room on the disk that is kept for checkpoints and records; below it the session is stopped",
        default=1.0,
        unit="GiB",
        low=0.0,
    )
    topics_exclude: tuple[str, ...] = setting(
        "topics that are left out; * stands for anything, as in /cameras/*/depth", default=()
    )
