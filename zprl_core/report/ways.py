# SPDX-License-Identifier: Apache-2.0
"""The tool's way through a camera's picture, from the bags of runs: the paper's Fig. 10."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zprl_core.bags.labels import bag_name
from zprl_core.config import RigConfig, load_rig
from zprl_core.data.projection import Matrix, project
from zprl_core.errors import ConfigError, DataError, RigError
from zprl_core.graph import JUDGED_SCENES
from zprl_core.plan import TRAIN
from zprl_core.records import EpisodeRecord
from zprl_core.report import figures
from zprl_core.report.document import Caution, Figure, Part
from zprl_core.report.runs import ReportRun, block_name
from zprl_core.smoothness.episode import EpisodeTracks

EACH = 3
"""Ways of one policy."""


@dataclass(frozen=True)
class _Panel:
    title: str
    bags: tuple[Path, ...]


def drawn(
    runs: Sequence[ReportRun], out: Path, camera: str | None, projections: Mapping[str, Matrix]
) -> list[Part]:
    """Ways of each policy, on layouts that all of them had where there are such; nothing without bags.

    Args:
        runs: whose bags are looked for. out: folder of the report.
        camera: of the task; None: the first one with a projection. projections: by camera.

    Raises:
        ConfigError: the task has no such camera, or nobody knows where it sees.
    """
    panels = _panels(runs)
    if not panels:
        return []
    run = next(run for run in runs if any(bag.is_relative_to(run.folder.path) for bag in panels[0].bags))
    rig = load_rig(run.folder.rig_file)
    try:
        name, matrix = _projection(run, rig, camera, projections)
    except RigError as error:
        return [Caution(f"The tool's way is not drawn: {error}")]
    from zprl_bringup.recorded import first_picture
    from zprl_bringup.recorded_motion import read_motion

    try:
        image = first_picture(panels[0].bags[0], name)
        ways = [
            (panel.title, [_way(read_motion(bag).episodes, matrix) for bag in panel.bags]) for panel in panels
        ]
    except DataError as error:
        return [Caution(f"The tool's way is not drawn: {error}")]
    figures.trajectories(image, ways, out / "ways.png")
    text = (
        f"The tool's way in the picture of camera {name}, {EACH} episodes or fewer of each policy, "
        "on the same layouts where all of them had such; darker dots are later. "
        "Measured; in lockstep the waypoints."
    )
    return [Figure("ways.png", text)]


def _panels(runs: Sequence[ReportRun]) -> list[_Panel]:
    """The policies whose episodes have bags."""
    recorded: dict[str, list[tuple[EpisodeRecord, Path]]] = {}
    for run in runs:
        for record in run.records:
            bag = run.folder.bags / bag_name(record.episode)
            if record.counts and not record.case and bag.is_dir():
                title = block_name(record.block)
                key = f"{run.name}: {title}" if len(runs) > 1 else title
                recorded.setdefault(key, []).append((record, bag))
    if not recorded:
        return []
    layouts = [
        {record.layout_seed for record, _ in found}
        for found in recorded.values()
        if found[0][0].block != TRAIN  # which has layouts of its own
    ]
    common = set.intersection(*layouts) if layouts else set()
    panels = []
    for title, found in recorded.items():
        shared = [bag for record, bag in found if record.layout_seed in common]
        panels.append(_Panel(title, tuple((shared or [bag for _, bag in found])[:EACH])))
    return panels


def _projection(
    run: ReportRun, rig: RigConfig, camera: str | None, projections: Mapping[str, Matrix]
) -> tuple[str, Matrix]:
    views = {view.name: view for view in run.task.observation.cameras}
    if camera is not None and camera not in views:
        raise ConfigError(f"--camera {camera}: task {run.task.name} has {', '.join(views)}")
    if unknown := set(projections) - set(views):
        raise ConfigError(f"--projection {min(unknown)}=...: task {run.task.name} has {', '.join(views)}")
    scene = rig.simulation.scene if rig.simulation else ""
    for name in [camera] if camera else list(views):
        if name in projections:
            return name, projections[name]
        if scene in JUDGED_SCENES:  # whose cameras the twin knows
            from zprl_sim.render import projection

            with contextlib.suppress(RigError):  # one that moves with the arm
                return name, projection(name, views[name].height, views[name].width)
    raise RigError("nobody knows where its cameras see; give `--projection CAMERA=FILE`")


def _way(episodes: Sequence[EpisodeTracks], matrix: Matrix) -> np.ndarray:
    """Pixels (n, 2) of where the first arm was, or in lockstep, where it was told to be."""
    if not episodes:
        return np.empty((0, 2))
    tracks = episodes[0]
    none = np.empty((0, 3))
    told = np.concatenate([none, *(chunk.waypoints.position for chunk in tracks.chunks)])
    measured = np.concatenate([none, *(tracks.measured.within(*span).position for span in tracks.intervals)])
    return project(matrix, (measured if len(measured) > len(told) else told).astype(np.float32))
