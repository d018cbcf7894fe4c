# SPDX-License-Identifier: Apache-2.0
"""From what a user asked for to a run folder and the graph that fills it.

Both `zprl` and launch/*.launch.py come through here, so that the same words start the same session.
Everything is checked before anything is written.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zprl_core import panel_address, wanted_evaluation
from zprl_core.config import (
    Interface,
    RigConfig,
    TaskConfig,
    check_pair,
    load_rig,
    load_task,
)
from zprl_core.errors import CheckpointError, ConfigError
from zprl_core.graph import Mode as RunMode
from zprl_core.graph import NodeSpec, RunSettings, graph
from zprl_core.host import check_host
from zprl_core.kept_rig import require_same_arms, rig_of_today
from zprl_core.measured_policy import digests, measured_policy
from zprl_core.plan import (
    Block,
    collection_plan,
    evaluation_plan,
    position,
    read_plan,
    training_plan,
    write_plan,
)
from zprl_core.provenance import Provenance, compare
from zprl_core.records import read_records
from zprl_core.recovery import drop_unlearned, set_aside_unrecorded_bags, void_unrecorded
from zprl_core.run_folder import RunFolder, RunSpec, new_run_id, read_json, refuse_used, write_json
from zprl_core.versions import versions

LIMIT_S = 60.0
"""Longest demonstration."""


@dataclass(frozen=True)
class Prepared:
    """A session that can be started: its folder, and the processes that fill it."""

    folder: RunFolder
    rig: RigConfig
    task: TaskConfig
    blocks: tuple[Block, ...]
    nodes: tuple[NodeSpec, ...]


def training(
    *,
    rig: str,
    task: str,
    base: Path,
    out: Path,
    chunks: int | None = None,
    seed: int = 0,
    eval_episodes: int | None = None,
    eval_every: int | None = None,
    lambda_: float | None = None,
    steering: Interface | None = None,
    lockstep: bool | None = None,
    shadow: bool = False,
    operator: bool = False,
    panel: str | None = None,
    record: bool | None = None,
    teleop: str = "",
) -> Prepared:
    """A new training run. None means: as the task or the rig says; `panel` is "" for none.

    Raises:
        ZprlError: anything that does not exist or does not fit; nothing was written then.
    """
    refuse_used(out, "continue that run with --resume")
    rig_config, task_config = _load(rig, task)
    in_lockstep = _lockstep(rig_config, lockstep)
    warning = _check_base(base, task_config, _cell(rig_config, task_config, in_lockstep))
    task_config = _steered_by(task_config, steering or task_config.rl.steering)
    task_config = _with_lambda(task_config, base, lambda_)
    episodes = task_config.evaluation.episodes if eval_episodes is None else eval_episodes
    spec = RunSpec(
        run_id=new_run_id(),
        mode="train",
        task=task_config.name,
        rig=rig_config.name,
        base=str(base.absolute()),
        actor="",
        seed=seed,
        lockstep=in_lockstep,
        chunks=task_config.budget.chunks if chunks is None else chunks,
        eval_episodes=episodes,
        shadow=shadow,
        operator=operator,
        record=not rig_config.simulated if record is None else record,
    )
    every = eval_every or task_config.evaluation.every_chunks
    plan = training_plan(spec.chunks, episodes, every)
    return _create(out, spec, rig_config, task_config, plan, [warning], panel, teleop)


def resume(
    out: Path,
    *,
    mode: RunMode = "train",
    panel: str | None = None,
    record: bool | None = None,
    teleop: str = "",
    **given: Any,
) -> Prepared:
    """Go on with a training run or an evaluation; what the user gave besides must be what it was started
    with.

    Raises:
        DataError: no run there, or it was started with something else.
        CheckpointError: what it measures is gone.
    """
    folder = RunFolder.open(out)
    with folder.lock():  # a live run's files are its own
        return _resumed(folder, out, mode, panel, record, teleop, given)


def _resumed(
    folder: RunFolder,
    out: Path,
    mode: RunMode,
    panel: str | None,
    record: bool | None,
    teleop: str,
    given: Mapping[str, Any],
) -> Prepared:
    task, rig = load_task(folder.task_file), load_rig(folder.rig_file)
    wanted = {k: v for k, v in given.items() if k in {f.name for f in dataclasses.fields(RunSpec)}}
    if "base" in wanted:
        wanted["base"] = str(Path(wanted["base"]).absolute())
    present = rig_of_today(wanted.get("rig"), rig)
    if "rig" in wanted and present is not None:
        wanted["rig"] = present.name
    if "task" in wanted:
        wanted["task"] = load_task(wanted["task"]).name
    folder.check_resumable(wanted)
    spec = folder.spec
    if spec.mode != mode:
        what = {"train": "training run", "evaluate": "evaluation"}[mode]
        raise ConfigError(f"{out}: is no {what}; go on with it by {folder.resumed_by}")
    if given.get("steering", task.rl.steering) != task.rl.steering:
        raise ConfigError(f"{out}: was started with --steering {task.rl.steering}, not {given['steering']}")
    if "lambda_" in given and given["lambda_"] != task.rl.lambda_:
        raise ConfigError(f"{out}: was started with lambda = {task.rl.lambda_}, not {given['lambda_']}")
    unknown = require_same_arms(folder.rig_file, rig, present)
    blocks = read_plan(folder.plan_file)
    every = given.get("eval_every")
    if every and training_plan(spec.chunks, spec.eval_episodes, every) != blocks:
        raise ConfigError(
            f"{out}: was started with other evaluations than every {every} chunks; leave it out"
        )
    own, now = _cell(rig, task, spec.lockstep), _cell(present or rig, task, spec.lockstep)
    _check_base(Path(spec.base), task, own)
    if spec.actor and not Path(spec.actor).is_file():
        raise CheckpointError(f"{spec.actor}: does not exist any more, and {out} measures it; bring it back")
    goes_on = position(blocks, read_records(folder.episodes_file)) is not None
    if goes_on and spec.measured and spec.measured != digests(spec.base, spec.actor):
        what = " or ".join(filter(None, (spec.actor, spec.base)))
        raise CheckpointError(
            f"{what} has changed since {out} began to measure it, and its trials would be of two policies: "
            "bring it back, or begin another evaluation (of a run: of a state that it kept, --checkpoint)"
        )
    spec = spec if record is None else dataclasses.replace(spec, record=record)
    prepared = _prepared(folder, spec, rig, task, blocks, resume=True, panel=panel, teleop=teleop)
    _warn(folder, [unknown, compare(f"{folder.rig_file}, which the run keeps", own, now, task.tick_s)])
    if spec.lockstep:
        drop_unlearned(folder)
    else:
        void_unrecorded(folder, blocks)
        set_aside_unrecorded_bags(folder)
    return prepared


def evaluation(
    *,
    rig: str,
    task: str,
    policy: Path,
    out: Path,
    episodes: int | None = None,
    checkpoint: int | None = None,
    only: str | None = None,
    cases: Sequence[str] = (),
    error_rate: float | None = None,
    open_: bool = False,
    layouts: Path | None = None,
    seed: int = 0,
    lockstep: bool | None = None,
    shadow: bool = False,
    operator: bool = False,
    panel: str | None = None,
    record: bool | None = None,
    teleop: str = "",
) -> Prepared:
    """A measurement, in turns on the same layouts: of a base checkpoint's two paths, or of a run's base
    policy and its steered one.

    Args:
        episodes: layouts; None: the task's.
        checkpoint: of a run: the state that it kept after so many training chunks; None: its last one.
        only: one policy of `zprl_core.wanted_evaluation.ONLY`; None: two in turns.
        cases: robustness cases of the task instead, by name, or `ALL_CASES`.
        error_rate: end as soon as the layouts so far decide, with at most this probability of an error; None:
            all layouts.
        layouts: file with preset layouts; None: the seed draws them.
        open_: people are told which policy drives; with one policy they are anyway.

    Raises:
        ZprlError: anything that does not exist or does not fit; nothing was written then.
    """
    refuse_used(out, "continue that evaluation with --resume")
    rig_config, task_config = _load(rig, task)
    in_lockstep = _lockstep(rig_config, lockstep)
    now = _cell(rig_config, task_config, in_lockstep)
    base, actor, lambda_, task_config, warning = measured_policy(policy, checkpoint, task_config, now)
    modes = wanted_evaluation.modes(only, policy, steered=bool(actor))
    staged = wanted_evaluation.cases(rig_config, task_config, cases, teleop)
    wanted_evaluation.check_error_rate(error_rate, modes, staged)
    warnings = [warning, _check_base(base, task_config, now)]
    task_config = _with_lambda(task_config, base, lambda_)
    if layouts is not None:
        task_config = wanted_evaluation.with_layouts(rig_config, task_config, layouts)
    count = wanted_evaluation.layouts_of(task_config, episodes)
    trials = {case.name: case.trials if episodes is None else episodes for case in staged}
    spec = RunSpec(
        run_id=new_run_id(),
        mode="evaluate",
        task=task_config.name,
        rig=rig_config.name,
        base=str(base.absolute()),
        actor=actor,
        seed=seed,
        lockstep=in_lockstep,
        chunks=0,
        eval_episodes=count,
        shadow=shadow,
        operator=operator,
        record=not rig_config.simulated if record is None else record,
        blind=len(modes) > 1 and not open_,
        measured=digests(str(base), actor),
    )
    plan = evaluation_plan(modes, count, seed, cases=trials, error_rate=error_rate)
    return _create(out, spec, rig_config, task_config, plan, warnings, panel, teleop)


def collection(
    *,
    rig: str,
    task: str,
    out: Path,
    episodes: int | None = None,
    seed: int = 0,
    limit_s: float = LIMIT_S,
    teleop: str = panel_address.DEFAULT_TELEOP,
    panel: str | None = None,
) -> Prepared:
    """A new collection of a person's demonstrations.

    Args:
        rig, task: names or files. out: folder, new or empty. seed: draws the layouts.
        episodes: demonstrations; None: the task's budget.
        limit_s: longest demonstration, s.
        teleop: host:port of the teleoperation page. panel: of the operator's, "" for none.

    Raises:
        ZprlError: anything that does not exist or does not fit; nothing was written then.
    """
    refuse_used(out, "continue that collection with --resume")
    rig_config, task_config = _load(rig, task)
    count = task_config.budget.demonstrations if episodes is None else episodes
    spec = RunSpec(
        run_id=new_run_id(),
        mode="collect",
        task=task_config.name,
        rig=rig_config.name,
        base="",
        actor="",
        seed=seed,
        lockstep=False,
        chunks=0,
        eval_episodes=count,
        operator=True,
        record=True,
        limit_s=limit_s,
    )
    return _create(out, spec, rig_config, task_config, collection_plan(count), [], panel, teleop)


def resume_collection(
    out: Path,
    *,
    rig: str | None = None,
    episodes: int | None = None,
    teleop: str = panel_address.DEFAULT_TELEOP,
    panel: str | None = None,
) -> Prepared:
    """Go on with a collection, to another number of demonstrations where one is given. `rig` is what the kept
    one is compared with; None: the one of its name.

    Raises:
        DataError: no run there. ConfigError: it is no collection.
    """
    folder = RunFolder.open(out)
    spec, task, kept = folder.spec, load_task(folder.task_file), load_rig(folder.rig_file)
    if spec.mode != "collect":
        raise ConfigError(f"{out}: is no collection but a run of `zprl {spec.mode}`")
    unknown = require_same_arms(folder.rig_file, kept, rig_of_today(rig, kept))
    with folder.lock():
        blocks = read_plan(folder.plan_file) if episodes is None else collection_plan(episodes)
        prepared = _prepared(folder, spec, kept, task, blocks, resume=True, panel=panel, teleop=teleop)
        _warn(folder, [unknown])
        if episodes is not None:
            write_plan(folder.plan_file, blocks)
        set_aside_unrecorded_bags(folder)
        return prepared


def _load(rig: str, task: str) -> tuple[RigConfig, TaskConfig]:
    rig_config, task_config = load_rig(rig), load_task(task)
    check_pair(rig_config, task_config)
    from zprl_core.kinematics.home import check_homes

    check_homes(rig_config)
    return rig_config, task_config


def _cell(rig: RigConfig, task: TaskConfig, lockstep: bool) -> Provenance:
    return Provenance.of(rig, task, lockstep=lockstep)


def _check_base(path: Path, task: TaskConfig, now: Provenance) -> str:
    """Whether a base checkpoint is there and belongs to the task and the cell; a warning, or nothing."""
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


def _steered_by(task: TaskConfig, steering: Interface) -> TaskConfig:
    """The task with this interface; lambda belongs to the latent, `residual_scale` to the action residual.

    Raises:
        ConfigError: another setting contradicts it.
    """
    lambda_ = task.rl.lambda_ if steering == "latent" == task.rl.steering else None
    changed = dataclasses.replace(task, rl=dataclasses.replace(task.rl, steering=steering, lambda_=lambda_))
    return TaskConfig.from_dict(changed.to_dict(), f"task {task.name} with --steering {steering}")


def _with_lambda(task: TaskConfig, base: Path, override: float | None) -> TaskConfig:
    """The task with its perturbation scale settled: override, the task's own, or proposed from the data."""
    value = override or task.rl.lambda_
    if value is None and task.rl.steering == "action_residual":
        value = task.rl.residual_scale
    if value is None:
        from zprl_core import perturbation

        value = perturbation.propose(base)
    return dataclasses.replace(task, rl=dataclasses.replace(task.rl, lambda_=value))


def _lockstep(rig: RigConfig, wanted: bool | None) -> bool:
    if wanted is not None:
        return wanted
    return rig.simulation is not None and rig.simulation.lockstep


def _create(
    out: Path,
    spec: RunSpec,
    rig: RigConfig,
    task: TaskConfig,
    blocks: tuple[Block, ...],
    warnings: Sequence[str],
    panel: str | None,
    teleop: str,
) -> Prepared:
    """Check that the graph can be made and started here, then write the folder."""
    folder = RunFolder(out.absolute())
    prepared = _prepared(folder, spec, rig, task, blocks, resume=False, panel=panel, teleop=teleop)
    refuse_used(out, "continue that run with --resume")
    check_host(prepared.nodes)
    folder = RunFolder.create(out, spec, task, rig)
    write_plan(folder.plan_file, blocks)
    _warn(folder, warnings)
    return dataclasses.replace(prepared, folder=folder)


def _prepared(
    folder: RunFolder,
    spec: RunSpec,
    rig: RigConfig,
    task: TaskConfig,
    blocks: tuple[Block, ...],
    *,
    resume: bool,
    panel: str | None,
    teleop: str,
) -> Prepared:
    if teleop:
        panel_address.PanelAddress.parse(teleop)
    settings = RunSettings(
        rig_file=str(folder.rig_file),
        task_file=str(folder.task_file),
        run_dir=str(folder.path),
        run_id=spec.run_id,
        base=spec.base,
        seed=spec.seed,
        lockstep=spec.lockstep,
        actor=spec.actor,
        resume=resume,
        shadow=spec.shadow,
        operator=spec.operator,
        panel=_panel(rig, spec, panel),
        record=spec.record,
        teleop=teleop,
        limit_s=spec.limit_s,
        blind=spec.blind,
    )
    return Prepared(folder, rig, task, blocks, graph(rig, task, spec.mode, settings))


def _panel(rig: RigConfig, spec: RunSpec, wanted: str | None) -> str:
    """Where the operator's panel listens: as asked for, else on this machine where a person is needed."""
    if wanted is None:
        return panel_address.DEFAULT if spec.operator or not rig.simulated else ""
    if wanted:
        panel_address.PanelAddress.parse(wanted)
    return wanted


def _warn(folder: RunFolder, warnings: Sequence[str]) -> None:
    """Say it where the command was typed, and keep it in RUN/logs/start.log."""
    for warning in filter(None, warnings):
        print(f"warning: {warning}", file=sys.stderr)
        with (folder.logs / "start.log").open("a", encoding="utf-8") as file:
            file.write(f"warning: {warning}\n")


def note_versions(folder: RunFolder) -> None:
    """Add what this start is computed with to RUN/versions.json."""
    known: list[Any] = read_json(folder.versions_file)["starts"] if folder.versions_file.exists() else []
    write_json(folder.versions_file, {"starts": [*known, versions()]})
