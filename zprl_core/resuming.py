# SPDX-License-Identifier: Apache-2.0
"""From a run folder to the graph that goes on with it. Everything is checked before anything is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zprl_core.config import RigConfig, TaskConfig, load_rig, load_task
from zprl_core.errors import CheckpointError, ConfigError
from zprl_core.kept_rig import require_same_arms, rig_of_today
from zprl_core.measured_policy import digests
from zprl_core.plan import Block, collection_plan, position, read_plan, training_plan, write_plan
from zprl_core.prepared import Prepared, base_digest, check_base, warn
from zprl_core.provenance import Provenance, compare
from zprl_core.records import read_records
from zprl_core.recovery import drop_unlearned, set_aside_unrecorded_bags, void_unrecorded
from zprl_core.run_folder import Mode, RunFolder, RunSpec
from zprl_core.session_options import USUAL, SessionOptions


def resume(out: Path, *, mode: Mode = "train", options: SessionOptions = USUAL, **given: Any) -> Prepared:
    """Go on with a training run or an evaluation; what the user gave besides must be what it was started
    with.

    Args:
        out: its folder. mode: what it has to be.
        options: the pages and whether it records may be others than before.
        given: arguments of `zprl_core.start.training`.

    Raises:
        DataError: no run there, or it was started with something else.
        CheckpointError: what it measures is gone.
    """
    folder = RunFolder.open(out)
    with folder.lock():  # a live run's files are its own
        task, rig = load_task(folder.task_file), load_rig(folder.rig_file)
        present = rig_of_today(given.get("rig"), rig)
        folder.check_resumable(_wanted(given, options, present))
        _check_kept(out, folder, mode, task, given)
        unknown = require_same_arms(folder.rig_file, rig, present)
        spec, blocks = folder.spec, read_plan(folder.plan_file)
        every = given.get("eval_every")
        if every and training_plan(spec.chunks, spec.eval_episodes, every) != blocks:
            raise ConfigError(
                f"{out}: was started with other evaluations than every {every} chunks; leave it out"
            )
        own, now = (Provenance.of(cell, task, lockstep=spec.lockstep) for cell in (rig, present or rig))
        check_base(Path(spec.base), task, own)
        _check_measured(out, folder, spec, blocks)
        _check_learned(folder, task)
        spec = spec if options.record is None else dataclasses.replace(spec, record=options.record)
        prepared = Prepared.of(folder, spec, rig, task, blocks, options, resume=True)
        warn(folder, [unknown, compare(f"{folder.rig_file}, which the run keeps", own, now, task.tick_s)])
        if spec.lockstep:
            drop_unlearned(folder)
        else:
            void_unrecorded(folder, blocks)
            set_aside_unrecorded_bags(folder)
        return prepared


def _wanted(given: Mapping[str, Any], options: SessionOptions, present: RigConfig | None) -> dict[str, Any]:
    """Fields of RunSpec that the user gave, as it has them."""
    wanted = {k: v for k, v in given.items() if k in {f.name for f in dataclasses.fields(RunSpec)}}
    if "base" in wanted:
        wanted["base"] = str(Path(wanted["base"]).absolute())
    if "rig" in wanted and present is not None:
        wanted["rig"] = present.name
    if "task" in wanted:
        wanted["task"] = load_task(wanted["task"]).name
    if options.lockstep is not None:
        wanted["lockstep"] = options.lockstep
    return wanted | {name: True for name in ("shadow", "operator") if getattr(options, name)}


def _check_kept(out: Path, folder: RunFolder, mode: Mode, task: TaskConfig, given: Mapping[str, Any]) -> None:
    """Whether it is such a run, and steers as the user says."""
    if folder.spec.mode != mode:
        what = {"train": "training run", "evaluate": "evaluation"}[mode]
        raise ConfigError(f"{out}: is no {what}; go on with it by {folder.resumed_by}")
    if given.get("steering", task.rl.steering) != task.rl.steering:
        raise ConfigError(f"{out}: was started with --steering {task.rl.steering}, not {given['steering']}")
    if "lambda_" in given and given["lambda_"] != task.rl.lambda_:
        raise ConfigError(f"{out}: was started with lambda = {task.rl.lambda_}, not {given['lambda_']}")


def _check_measured(out: Path, folder: RunFolder, spec: RunSpec, blocks: tuple[Block, ...]) -> None:
    """Whether what it measures is what it was."""
    if spec.actor and not Path(spec.actor).is_file():
        raise CheckpointError(f"{spec.actor}: does not exist any more, and {out} measures it; bring it back")
    goes_on = position(blocks, read_records(folder.episodes_file)) is not None
    if goes_on and spec.measured and spec.measured != digests(spec.base, spec.actor):
        what = " or ".join(filter(None, (spec.actor, spec.base)))
        raise CheckpointError(
            f"{what} has changed since {out} began to measure it, and its trials would be of two policies: "
            "bring it back, or begin another evaluation (of a run: of a state that it kept, --checkpoint)"
        )


def _check_learned(folder: RunFolder, task: TaskConfig) -> None:
    """Whether its learner, if it has saved anything, has the base policy that it learned to steer."""
    if folder.learner_checkpoint.is_file():
        from zprl_core.rl.learner import load_actor

        load_actor(folder.learner_checkpoint, task, base_digest(Path(folder.spec.base)))


def resume_collection(
    out: Path, *, rig: str | None = None, episodes: int | None = None, options: SessionOptions
) -> Prepared:
    """Go on with a collection, to another number of demonstrations where one is given. `rig` is what the kept
    one is compared with; None: the one of its name. Of the options the pages count.

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
        prepared = Prepared.of(folder, spec, kept, task, blocks, options, resume=True)
        warn(folder, [unknown])
        if episodes is not None:
            write_plan(folder.plan_file, blocks)
        set_aside_unrecorded_bags(folder)
        return prepared
