"""Experiments as data: every one of them loads, names its trials, and says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from zprl_core.errors import ConfigError
from zprl_core.experiments.cells import CellConfig, Trial, experiment_names, load_experiment, task_of, trials


@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_s_cells_are_tasks_that_exist(name: str) -> None:
    experiment = load_experiment(name)
    for scale in ("cpu", "paper"):
        if not getattr(experiment, scale):
            continue
        found = trials(name, scale)
        assert len(found) == len(experiment.cells(scale)) * len(experiment.seeds)
        assert all(trial.task.benchmark is not None for trial in found)
        assert len({trial.folder for trial in found}) == len(found), "no two are the same trial"


def test_a_cell_s_other_values_are_the_task_s() -> None:
    cell = CellConfig(task="push_wall_state", method="zprl", set={"bottleneck.latent_dim": 4, "rl.utd": 2})
    task = task_of(cell)
    assert (task.bottleneck.latent_dim, task.rl.utd, task.rl.critics) == (4, 2, 2)
    with pytest.raises(ConfigError, match=r"rl\.utdd: unknown key; did you mean 'utd'"):
        task_of(CellConfig(task="push_wall_state", method="zprl", set={"rl.utdd": 2}))


def test_trials_share_what_is_the_same() -> None:
    def trial(seed: int = 0, **values: object) -> Trial:
        cell = CellConfig(task="push_wall_state", **{"method": "zprl", **values})
        return Trial(cell, seed, task_of(cell), 10)

    plain = trial()
    assert plain.folder == trial(label="lambda 0.25", set={"rl.lambda": 0.25}).folder
    assert plain.folder == trial(scale=0.25).folder and plain.scale == 0.25
    scaled = trial(set={"rl.lambda": 0.5})
    assert scaled.folder == trial(scale=0.5).folder
    assert scaled.folder != plain.folder and scaled.base == plain.base
    assert trial(method="action_residual", scale=0.1).base == plain.base
    assert trial(seed=1).base != plain.base and trial(seed=1).demonstrations == plain.demonstrations
    narrow = trial(set={"bottleneck.latent_dim": 4})
    assert narrow.base != plain.base and narrow.demonstrations == plain.demonstrations
    assert narrow.imitation == plain.imitation, "the bottleneck is attached afterwards"
    assert trial(set={"bottleneck.joint": True}).imitation != plain.imitation
    usual = trial(set={"bottleneck.beta": 1e-4, "budget.demonstrations": 100})
    assert (usual.folder, usual.base) == (plain.folder, plain.base), "what is usual anyway changes nothing"
    steps = trial(set={"policy.sampling": [1.0, 0.5, 0.0]})
    assert (steps.base, steps.imitation) == (plain.base, plain.imitation), "no weight depends on it"
    assert steps.folder != plain.folder, "what the trial does depends on it"
    fewer = trial(set={"budget.demonstrations": 25})
    assert fewer.demonstrations != plain.demonstrations and fewer.base != plain.base


def test_bad_files_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown experiment 'figure_33'; did you mean 'figure_3'"):
        load_experiment("figure_33")
    path = tmp_path / "mine.yaml"
    path.write_text("title: t\nsource: s\nseeds: [0]\ncpu: [{task: push_wall_state, method: zpl}]\n")
    with pytest.raises(ConfigError, match=r"mine.yaml: cpu\[0\].method: 'zpl' is not allowed; did you mean"):
        load_experiment(str(path))
    path.write_text("title: t\nsource: s\nseeds: [0]\ncpu: [{task: push_wall_state, method: zprl}]\n")
    with pytest.raises(ConfigError, match="no cell for --scale paper"):
        trials(str(path), "paper")
    for cell, problem in (
        (
            "{task: push_wall_state, method: action_residual}",
            "push_wall_state action_residual: scale is missing",
        ),
        ("{task: place_orange, method: zprl}", "place_orange has a rig, it is no benchmark"),
        (
            "{task: push_wall_state, method: zprl, set: {observation.steps: 2}}",
            r"observation\.steps: 2, allowed in an experiment: 1",
        ),
        ("{task: push_wall_state, method: zprl, set: {name.x: 1}}", r"'name' is .* and holds no 'x'"),
    ):
        path.write_text(f"title: t\nsource: s\nseeds: [0]\ncpu: [{cell}]\n")
        with pytest.raises(ConfigError, match=problem):
            trials(str(path), "cpu")


@pytest.mark.parametrize("seeds", [[], [0, 0]])
def test_seeds_are_some_and_each_once(tmp_path: Path, seeds: list[int]) -> None:
    cells = [{"task": "push_wall_state", "method": "zprl"}]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"title": "t", "source": "s", "seeds": seeds, "cpu": cells}))
    with pytest.raises(ConfigError, match="at least one, each once"):
        trials(str(path), "cpu")


UNHEEDED = (
    ({"method": "dppo", "scale": 0.3}, "method dppo has no scale"),
    ({"method": "reinflow", "progressive_steps": 9}, "method reinflow has no progressive_steps"),
    ({"method": "noise_steering", "scale": 1.5, "progressive_steps": 9}, "method noise_steering has no prog"),
    ({"method": "zprl", "set": {"rl.extra_utd": 5}}, "set rl.extra_utd: a session on a rig heeds it"),
    ({"method": "zprl", "set": {"rl.guard": {"back_off": True}}}, "set rl.guard.back_off: a session"),
    ({"method": "zprl", "scale": 0.5, "set": {"rl.lambda": 0.3}}, "set rl.lambda would count"),
)


def test_a_setting_that_the_method_has_no_use_for_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for settings, problem in UNHEEDED:
        cells = [{"task": "push_wall_state", **settings}]
        path.write_text(yaml.safe_dump({"title": "t", "source": "s", "seeds": [0], "cpu": cells}))
        with pytest.raises(ConfigError, match=f"cell push_wall_state {settings['method']}: {problem}"):
            trials(str(path), "cpu")


def test_two_cells_that_are_one_trial_are_refused(tmp_path: Path) -> None:
    plain = {"task": "push_wall_state", "method": "zprl"}
    cells = [plain, {**plain, "scale": 0.25, "label": "again"}]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"title": "t", "source": "s", "seeds": [0, 1], "cpu": cells}))
    with pytest.raises(ConfigError, match="push_wall_state zprl and push_wall_state again are the same"):
        trials(str(path), "cpu")
