# SPDX-License-Identifier: Apache-2.0
"""Import: a source's episodes become a dataset of ours, one at a time, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zprl_core.data.episode import Episode, Header
from zprl_core.data.formats.own import PROPRIO_PARTS
from zprl_core.data.formats.plan import Plan
from zprl_core.data.formats.source import Source, SourceEpisode
from zprl_core.data.writing import DatasetWriter
from zprl_core.errors import DataError

Progress = Callable[[int, int], None]


def import_dataset(
    source: Source,
    plan: Plan,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> int:
    """Write a dataset folder; returns the number of episodes.

    Raises:
        DataError: the source is damaged or empty, an episode does not fit, or `out` is taken; nothing is
            left.
    """
    episodes = _episodes(source, plan)
    first = next(episodes, None)
    if first is None:
        raise DataError(f"{source.path}: holds no episode")
    with DatasetWriter(out, _header(source, plan, first[0]), overwrite=overwrite) as writer:
        writer.add(first[1])
        progress(1, len(source))
        for done, (_, episode) in enumerate(episodes, 2):
            writer.add(episode)
            progress(done, len(source))
        return len(writer)


def _episodes(source: Source, plan: Plan) -> Iterator[tuple[SourceEpisode, Episode]]:
    vectors = tuple(dict.fromkeys((*plan.proprio, *plan.action)))
    for raw in source.episodes(tuple(plan.cameras.values()), vectors):
        yield raw, plan.episode(raw, f"{source.path.name}:{raw.name}")


def _header(source: Source, plan: Plan, first: SourceEpisode) -> Header:
    task, own = plan.task, source.own
    facts: dict[str, Any] = dict(own.facts) if own is not None else {}
    if own is None:
        facts["imported"] = {
            "from": source.path.name,
            "cameras": dict(plan.cameras),
            "action": list(plan.action),
            "action_rotation": plan.form.rotation,
            "every_tick": plan.stride,
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
