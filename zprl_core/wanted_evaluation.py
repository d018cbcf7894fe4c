# SPDX-License-Identifier: Apache-2.0
"""What somebody wants measured, checked before anything starts. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from zprl_core.config import ALL_CASES, CaseConfig, RigConfig, TaskConfig, loader
from zprl_core.config.files import read_yaml
from zprl_core.config.region import RegionConfig
from zprl_core.errors import ConfigError
from zprl_core.policy_modes import BASES, Mode

ERROR_RATE = 0.05
"""Of an evaluation that may end early, unless another one is asked for."""
SEED = 1_000_000
"""Of an evaluation, unless another one is asked for: layouts that no training with a smaller seed has had."""
ONLY: dict[str, Mode] = {"steered": "steer", "base": "base_c", "base_z": "base_z"}
"""Policies that can be measured alone."""


def modes(only: str | None, policy: Path, *, steered: bool) -> tuple[Mode, ...]:
    """The paths that are measured.

    Args:
        only: one of `ONLY`; None: two in turns.
        policy: what the user named.
        steered: it is a run.

    Raises:
        ConfigError: there is no such path.
    """
    if only is None:
        return ("base_c", "steer") if steered else BASES
    if only not in ONLY:
        raise ConfigError(f"only {only!r}: allowed: {', '.join(ONLY)}")
    if only == "steered" and not steered:
        raise ConfigError(f"--only steered: {policy} is no run, so that nothing steers; name a training run")
    return (ONLY[only],)


def cases(rig: RigConfig, task: TaskConfig, names: Sequence[str], teleop: str) -> tuple[CaseConfig, ...]:
    """Robustness cases by name, each once.

    Args:
        rig, task: of the evaluation.
        names: of the task's cases, or `ALL_CASES`.
        teleop: where the teleoperation page is, empty for none.

    Raises:
        ConfigError: the task has no such case, or it cannot be staged.
    """
    known = task.evaluation.cases
    if ALL_CASES in names and not known:
        raise ConfigError(f"task {task.name} has no robustness cases (evaluation.cases)")
    wanted = [case.name for case in known] if ALL_CASES in names else names
    found = [case for name in dict.fromkeys(wanted) if (case := task.evaluation.case(name)) is not None]
    for case in found:
        if rig.simulation is not None and rig.simulation.has_objects and not case.simulated:
            raise ConfigError(
                f"robustness case '{case.name}' of task {task.name}: the simulated scene cannot stage it; "
                "give it `simulation`, or run it on a real rig"
            )
        if teleop and case.kind == "shifted_layout":
            raise ConfigError(
                f"robustness case '{case.name}': the teleoperation page shows where objects lie in training; "
                "leave --teleop out"
            )
    return tuple(found)


def with_layouts(rig: RigConfig, task: TaskConfig, path: Path) -> TaskConfig:
    """The task with the preset layouts of a file, whose key `layouts` is a list of
    `zprl_core.config.region.PresetLayout`.

    Raises:
        ConfigError: the file has no such list, or a layout does not fit the task's region; names file and
            key.
    """
    simulated = rig.simulation is not None and rig.simulation.has_objects
    if simulated and any(arm.driver != "sim" for arm in rig.arms):
        raise ConfigError(
            f"rig {rig.name}: the scene behind its control box knows drawn layouts only; leave --layouts out"
        )
    presets = read_yaml(path).get("layouts")
    if not presets:
        raise ConfigError(f"{path}: layouts: is needed: a list of layouts, each with name and places")
    data = {**loader.to_data(task.region), "presets": presets}
    region = loader.from_data(RegionConfig, data, loader.Place(lambda _key: str(path)))
    return dataclasses.replace(task, region=region)


def layouts_of(task: TaskConfig, episodes: int | None) -> int:
    """How many layouts are measured.

    Args:
        task: with its preset layouts, where there are any.
        episodes: what the user said; None: all presets, or as many as the task says.

    Raises:
        ConfigError: more than there are presets.
    """
    presets = len(task.region.presets)
    if episodes is None:
        return presets or task.evaluation.episodes
    if presets and episodes > presets:
        raise ConfigError(f"{episodes} episodes, and {presets} preset layouts; each is used once")
    return episodes


def check_error_rate(rate: float | None, modes: Sequence[Mode], cases: Sequence[CaseConfig]) -> None:
    """Whether an evaluation can end early.

    Args:
        rate: largest probability of doing so by mistake; None: it does not end early.
        modes, cases: what is measured.

    Raises:
        ConfigError: it cannot.
    """
    if rate is None:
        return
    if not 0.0 < rate < 1.0:
        raise ConfigError(f"error rate {rate}: allowed: between 0 and 1, such as 0.05")
    if len(modes) < 2:
        raise ConfigError("ending early compares two policies; leave --only out, or --stop-early")
    if cases:
        raise ConfigError("a robustness case has a fixed number of trials; leave --stop-early out, or --case")
