# SPDX-License-Identifier: Apache-2.0
"""Import: a source's episodes become a dataset of ours, one at a time, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zprl_core.data.episode import Episode, Header
from zprl_core.data.formats.own import PROPRIO_PARTS
from zprl_core.data.formats.plan import Plan
from zprl_core.data.formats.source import Source, SourceEpisode
from zprl_core.data.writing import DatasetWriter
from zprl_core.errors import DataError

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Draw:
    """Some episodes of a source by chance, in its order; a larger draw of the same seed holds a smaller one.

    Attributes:
        episodes: how many. seed: of the draw.
    """

    episodes: int
    seed: int

    def of(self, source: Source) -> list[int]:
        """Numbers of the episodes.

        Raises:
            DataError: the source has fewer.
        """
        if self.episodes > (there := len(source)):
            raise DataError(f"{source.path}: has {there} episodes, {self.episodes} are to be drawn of it")
        return sorted(np.random.default_rng(self.seed).permutation(there)[: self.episodes].tolist())


def import_dataset(
    source: Source,
    plan: Plan,
    out: Path,
    *,
    draw: Draw | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> int:
    """Write a dataset folder; returns the number of episodes.

    Args:
        source, plan: what is read, and how.
        out: folder to write. overwrite: replace the dataset that is there.
        draw: which episodes; None: all.
        progress: told of episodes done and to do.

    Raises:
        DataError: the source is damaged or empty, has fewer episodes than are to be drawn, an episode does
            not fit, or `out` is taken; nothing is left.
    """
    chosen = range(len(source)) if draw is None else draw.of(source)
    episodes = _episodes(source, plan, set(chosen))
    first = next(episodes, None)
    if first is None:
        raise DataError(f"{source.path}: holds no episode")
    with DatasetWriter(out, _header(source, plan, first[0], draw), overwrite=overwrite) as writer:
        writer.add(first[1])
        progress(1, len(chosen))
        for done, (_, episode) in enumerate(episodes, 2):
            writer.add(episode)
            progress(done, len(chosen))
        return len(writer)


def _episodes(source: Source, plan: Plan, chosen: set[int]) -> Iterator[tuple[SourceEpisode, Episode]]:
    vectors = tuple(dict.fromkeys((*plan.proprio, *plan.action)))
    for number, raw in enumerate(source.episodes(tuple(plan.cameras.values()), vectors)):
        if number in chosen:
            yield raw, plan.episode(raw, f"{source.path.name}:{raw.name}")


def _header(source: Source, plan: Plan, first: SourceEpisode, draw: Draw | None) -> Header:
    task, own = plan.task, source.own
    facts: dict[str, Any] = dict(own.facts) if own is not None else {}
    if own is None:
        facts["imported"] = {
            "from": source.path.name,
            "cameras": dict(plan.cameras),
            "action": list(plan.action),
            "action_rotation": plan.form.rotation,
            "every_tick": plan.stride,
            **({} if draw is None else {"drawn_of": len(source), "drawn_with_seed": draw.seed}),
        }
        facts[PROPRIO_PARTS] = [[key, first.vectors[key].shape[1]] for key in plan.proprio]
    return Header(
        task=task.name,
        rate_hz=task.rate_hz,
        lead_steps=task.observation.lead_steps,
        cameras={view.name: (view.height, view.width) for view in task.observation.cameras},
        proprio_dim=task.observation.proprio_dim,
        action_dim=task.action.dim,
        action=plan.form.codec,
        provenance=None if own is None else own.provenance,
        facts=facts,
    )
