# SPDX-License-Identifier: Apache-2.0
"""A session that can be started, and what is checked and said before it is, whether it begins or goes on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zprl_core import panel_address
from zprl_core.config import RigConfig, TaskConfig
from zprl_core.errors import CheckpointError
from zprl_core.graph import NodeSpec, graph
from zprl_core.plan import Block
from zprl_core.provenance import Provenance, compare
from zprl_core.run_folder import RunFolder, RunSpec, read_json, write_json
from zprl_core.session_options import SessionOptions
from zprl_core.versions import versions


@dataclass(frozen=True)
class Prepared:
    """A session that can be started: its folder, and the processes that fill it."""

    folder: RunFolder
    rig: RigConfig
    task: TaskConfig
    blocks: tuple[Block, ...]
    nodes: tuple[NodeSpec, ...]

    @classmethod
    def of(
        cls,
        folder: RunFolder,
        spec: RunSpec,
        rig: RigConfig,
        task: TaskConfig,
        blocks: tuple[Block, ...],
        options: SessionOptions,
        *,
        resume: bool = False,
    ) -> Prepared:
        """With its graph; nothing is written.

        Args:
            folder: of the run; need not exist. spec, rig, task, blocks: what it is started with.
            options: where its pages are; all else stands in `spec`.
            resume: it goes on from the folder's state.

        Raises:
            ZprlError: an address that is none, or a graph that cannot be.
        """
        if options.teleop:
            panel_address.PanelAddress.parse(options.teleop)
        panel = _panel(rig, spec, options.panel)
        nodes = graph(rig, task, spec, folder, resume=resume, panel=panel, teleop=options.teleop)
        return cls(folder, rig, task, blocks, nodes)


def _panel(rig: RigConfig, spec: RunSpec, wanted: str | None) -> str:
    """Where the operator's panel listens: as asked for, else on this machine where a person is needed."""
    if wanted is None:
        return panel_address.DEFAULT if spec.operator or not rig.simulated else ""
    if wanted:
        panel_address.PanelAddress.parse(wanted)
    return wanted


def check_base(path: Path, task: TaskConfig, now: Provenance) -> str:
    """Whether a base checkpoint is there and belongs to the task and the cell; a warning, or nothing.

    Raises:
        CheckpointError: it is not, or does not.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such checkpoint. Make one with `zprl collect --task {task.name} ...` and "
            f"`zprl pretrain --task {task.name} --data DIR --out {path}`"
        )
    from zprl_core import checkpoint
    from zprl_core.base import KIND

    found = checkpoint.load(path, KIND)
    checkpoint.require_same_task(path, found.task_config(), task)
    return compare(str(path), found.provenance, now, task.tick_s)


def base_digest(path: Path) -> str:
    """Which weights a base checkpoint has; see `load_actor`.

    Raises:
        CheckpointError: see `load_base`.
    """
    from zprl_core.base import load_base

    return load_base(path)[0].digest()


def warn(folder: RunFolder, warnings: Sequence[str]) -> None:
    """Say it where the command was typed, and keep it in RUN/logs/start.log."""
    for warning in filter(None, warnings):
        print(f"warning: {warning}", file=sys.stderr)
        with (folder.logs / "start.log").open("a", encoding="utf-8") as file:
            file.write(f"warning: {warning}\n")


def note_versions(folder: RunFolder) -> None:
    """Add what this start is computed with to RUN/versions.json."""
    known: list[Any] = read_json(folder.versions_file)["starts"] if folder.versions_file.exists() else []
    write_json(folder.versions_file, {"starts": [*known, versions()]})
