# SPDX-License-Identifier: Apache-2.0
"""How far a collection of demonstrations is: how many, how long, how much of the region. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from zprl_core import layout
from zprl_core.config import RigConfig, TaskConfig
from zprl_core.config.region import RegionConfig, RegionObject
from zprl_core.records import EpisodeRecord

CELLS = (4, 3)
"""Fields along x and y into which the places of the first object are sorted."""


@dataclass(frozen=True)
class Collected:
    """A collection so far.

    Attributes:
        kept: demonstrations that count: those that were not discarded.
        successes: of these, those labelled a success.
        discarded: void ones.
        mean_s, shortest_s, longest_s: durations of the kept ones; 0 while there are none.
        places: kept demonstrations by field of the region, rows far to near (y falls), columns left to right;
            empty where no person lays objects out.
    """

    kept: int
    successes: int
    discarded: int
    mean_s: float
    shortest_s: float
    longest_s: float
    places: tuple[tuple[int, ...], ...] = ()

    @property
    def covered(self) -> tuple[int, int]:
        """Fields with a demonstration, and all fields."""
        counts = [count for row in self.places for count in row]
        return sum(count > 0 for count in counts), len(counts)

    def to_dict(self) -> dict[str, object]:
        """As plain data, `covered` too."""
        return {**asdict(self), "covered": self.covered}


def region_by_hand(rig: RigConfig, task: TaskConfig) -> RegionConfig | None:
    """The region in which a person lays the objects out; None where nobody does."""
    by_hand = rig.simulation is None or not rig.simulation.has_objects
    return task.region if by_hand and task.region.objects else None


def collected(records: Iterable[EpisodeRecord], region: RegionConfig | None) -> Collected:
    """What the records of a collection amount to.

    Args:
        records: of its episodes.
        region: in which a person lays objects out; None: nobody does.
    """
    records = list(records)
    kept = [record for record in records if not record.void]
    seconds = [1e-9 * (record.end_stamp_ns - record.start_stamp_ns) for record in kept]
    return Collected(
        kept=len(kept),
        successes=sum(record.success for record in kept),
        discarded=len(records) - len(kept),
        mean_s=round(float(np.mean(seconds)), 2) if seconds else 0.0,
        shortest_s=round(min(seconds, default=0.0), 2),
        longest_s=round(max(seconds, default=0.0), 2),
        places=_places(kept, region) if region is not None and region.objects else (),
    )


def _places(kept: Iterable[EpisodeRecord], region: RegionConfig) -> tuple[tuple[int, ...], ...]:
    thing, counts = region.objects[0], np.zeros((CELLS[1], CELLS[0]), np.int64)
    for record in kept:
        place = layout.draw(region, record.layout_seed)[0]
        counts[CELLS[1] - 1 - _field(thing, 1, place.y_m), _field(thing, 0, place.x_m)] += 1
    return tuple(tuple(int(count) for count in row) for row in counts)


def _field(thing: RegionObject, axis: int, value: float) -> int:
    low, high = (thing.x_m, thing.y_m)[axis]
    share = 0.5 if high == low else (value - low) / (high - low)
    return min(int(share * CELLS[axis]), CELLS[axis] - 1)
