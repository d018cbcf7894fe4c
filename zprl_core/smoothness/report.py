# SPDX-License-Identifier: Apache-2.0
"""A run's motion block by block, against its base policy, and the paper's Table II. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zprl_core.plan import TRAIN
from zprl_core.policy_modes import BASES
from zprl_core.records import EpisodeRecord
from zprl_core.smoothness.episode import MotionRecord
from zprl_core.smoothness.estimates import Estimate, mean, ratio
from zprl_core.smoothness.metrics import QUANTITIES, Smoothness

VELOCITY, ACCELERATION = "vel_ee", "acc_ee"
MEASURES: dict[str, str] = {
    VELOCITY: "m/s",
    ACCELERATION: "m/s²",
    **{
        f"{motion}_{name}": unit
        for motion in ("commanded", "measured")
        for quantity, unit in QUANTITIES.items()
        for name in (quantity, f"{quantity}_p95", f"{quantity}_max")
    },
    "commanded_sparc": "",
    "measured_sparc": "",
}
"""Numbers of an episode with their units. Without an ending it is the episode's mean."""


@dataclass(frozen=True)
class Row:
    """One arm in one episode.

    Attributes:
        run: name of the run.
        record: what became of the episode.
        motion: of the arm.
        env_steps: ticks of training before it.
    """

    run: str
    record: EpisodeRecord
    motion: MotionRecord
    env_steps: int

    @property
    def counts(self) -> bool:
        """Whether it says how the policy moves: not void, motors on, no person's hand."""
        return self.record.counts and not (self.record.helped_chunks or self.motion.human_share)


@dataclass(frozen=True)
class Group:
    """One arm over a block of episodes.

    Attributes:
        run, block, case, mode, arm: which; case: robustness case, empty for none.
        env_steps: ticks of training before the block's first episode.
        episodes: that count.
        alarmed: of them, with an alarm.
        means: by a name of `MEASURES`.
        ratios: the same over the base policy's.
    """

    run: str
    block: str
    case: str
    mode: str
    arm: str
    env_steps: int
    episodes: int
    alarmed: int
    means: Mapping[str, Estimate]
    ratios: Mapping[str, Estimate]


def numbers(motion: MotionRecord) -> dict[str, float | None]:
    """An episode's `MEASURES`."""
    found = {VELOCITY: motion.policy.velocity_m_s, ACCELERATION: motion.policy.acceleration_m_s2}
    for name, each in (("commanded", motion.commanded), ("measured", motion.measured)):
        found |= {f"{name}_{key}": value for key, value in _numbers(each).items()}
    return {name: found[name] for name in MEASURES}


def rows(run: str, records: Sequence[EpisodeRecord], motions: Iterable[MotionRecord]) -> list[Row]:
    """A run's episodes in order, of each arm; what was begun and has no record is left out."""
    known, steps, before = {record.episode: record for record in records}, 0, dict[int, int]()
    for record in sorted(records, key=lambda record: record.episode):
        before[record.episode] = steps
        steps += record.steps if record.block == TRAIN and not record.void else 0
    found = [Row(run, known[m.episode], m, before[m.episode]) for m in motions if m.episode in known]
    return sorted(found, key=lambda row: (row.motion.episode, row.motion.arm))


def groups(found: Sequence[Row], base: str = BASES[0]) -> list[Group]:
    """Block by block in the order of the episodes.

    Args:
        found: of one or several runs of one task.
        base: mode of the base policy. A run without it is held against that of all the runs together, and a
            robustness case against the same one.
    """
    kept: dict[tuple[str, str, str, str, str], list[Row]] = {}
    for row in found:
        if row.counts:
            key = (row.run, row.record.block, row.record.case, row.record.mode, row.motion.arm)
            kept.setdefault(key, []).append(row)
    made = []
    for (run, block, case, mode, arm), members in kept.items():
        against = [
            row
            for row in found
            if row.counts and (row.record.mode, row.record.case, row.motion.arm) == (base, case, arm)
        ]
        own = [row for row in against if row.run == run]
        values, base_values = _columns(members), _columns(own or against)
        made.append(
            Group(
                run,
                block,
                case,
                mode,
                arm,
                members[0].env_steps,
                len(members),
                sum(bool(row.motion.alarms) for row in members),
                {name: mean(values[name]) for name in MEASURES},
                {name: ratio(values[name], base_values[name]) for name in MEASURES},
            )
        )
    return made


def evaluations(made: Iterable[Group]) -> dict[str, dict[str, list[Group]]]:
    """What Table II compares: the blocks in which nothing was explored, in the order of training, and in each
    of them by run its arms.
    """
    table: dict[str, dict[str, list[Group]]] = {}
    for group in sorted(made, key=lambda group: group.env_steps):
        if group.mode in (*BASES, "steer") and not group.case:
            table.setdefault(group.block, {}).setdefault(group.run, []).append(group)
    return table


def plain(made: Iterable[Group]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(group) for group in made]


def _numbers(found: Smoothness) -> dict[str, float | None]:
    values: dict[str, float | None] = {"sparc": found.sparc}
    for quantity in QUANTITIES:
        spread = found.spread(quantity)
        values[quantity] = None if spread is None else spread.mean
        values[f"{quantity}_p95"] = None if spread is None else spread.p95
        values[f"{quantity}_max"] = None if spread is None else spread.max
    return values


def _columns(members: Iterable[Row]) -> dict[str, list[float]]:
    each = [numbers(row.motion) for row in members]
    return {name: [value for found in each if (value := found[name]) is not None] for name in MEASURES}
