"""What a training loop tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """One step of a loop.

    stage: "pretrain", "embed" or "bottleneck". step counts from 1 to total. values: scalars such as losses.
    """

    stage: str
    step: int
    total: int
    values: dict[str, float] = field(default_factory=dict)


ProgressCallback = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """A callback that does nothing."""
