# SPDX-License-Identifier: Apache-2.0
"""Maps, and what `zprl steering` finds in runs: each kept state, and what cannot be known."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.learning.tiny import change
from tests.steering import study_made as made
from zprl_core.arithmetic import use_threads
from zprl_core.cli import main
from zprl_core.errors import CheckpointError, DataError
from zprl_core.steering.maps import flat_map
from zprl_core.steering.study import open_runs, studied, visited

use_threads(1)
WITHOUT_UMAP = """
import sys
sys.modules["umap"] = None  # as if it were not installed
import numpy as np
from zprl_core.steering.maps import flat_map
x = np.arange(40.0)
points, method = flat_map(np.stack([x, 2 * x, np.zeros(40), np.tile([1.0, -1.0], 20)], axis=1), 0)
print(method)
print(*np.abs(np.corrcoef(points.T, [x, np.tile([1.0, -1.0], 20)]))[:2, 2:].round(2).ravel())
"""


def test_maps_are_the_same_every_time() -> None:
    rows = np.random.default_rng(0).standard_normal((40, 5))
    (first, method), (again, _) = flat_map(rows, 1), flat_map(rows, 1)
    assert first.shape == (40, 2) and np.isfinite(first).all() and np.array_equal(first, again)
    assert method == "UMAP"


def test_maps_without_umap() -> None:
    """Two directions vary, of which one has two of the columns: the two axes of the map."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_UMAP], capture_output=True, text=True, check=True, timeout=60
    )
    method, correlations = done.stdout.splitlines()
    assert method.startswith("principal components (UMAP: pip install")
    long, crossed, _, short = map(float, correlations.split())
    assert long > 0.95 and short > 0.95 and crossed < 0.1


@pytest.mark.parametrize("shape", [(1, 3), (2, 3), (3, 1), (10, 4)])
def test_few_rows_are_mapped_too(shape: tuple[int, int]) -> None:
    points, method = flat_map(np.random.default_rng(0).standard_normal(shape), 0)
    assert points.shape == (shape[0], 2) and np.isfinite(points).all()
    assert "too few for UMAP" in method


def test_rows_that_are_all_the_same() -> None:
    points, _ = flat_map(np.ones((5, 3)), 0)
    assert np.array_equal(points, np.zeros((5, 2)))


def test_each_kept_state_of_a_run(tmp_path: Path) -> None:
    (run,) = open_runs([made.run(tmp_path / "run", made.model(), 20)])
    found = studied(run, visited([run]), 0)
    assert list(found.effects) == [10, 20] and run.lambda_ == 0.5
    assert found.effects[10].rms_ratio != found.effects[20].rms_ratio
    # The states that were visited are the same, so z without steering is, too.
    assert found.effects[10].mahalanobis_base == found.effects[20].mahalanobis_base
    assert found.effects[20].action_shift > 0.0 and found.last.actions is not None


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two runs of one base policy with one name; few states are said to be few."""
    base, far = made.model(), change(made.TASK, "rl", lambda_=0.9)
    paths = [
        made.run(tmp_path / name / "run", base, 20, task) for name, task in (("a", made.TASK), ("b", far))
    ]
    out = tmp_path / "out"
    assert main(["steering", *map(str, paths), "--out", str(out)]) == 0
    text = (out / "steering.md").read_text()
    assert "**40 states are few**" in text and "visited while learning, by 1_run, 2_run" in text
    assert "| 2_run | 0.9 | 10 |" in text and text in capsys.readouterr().out
    data = json.loads((out / "steering.json").read_text())
    assert [run["lambda"] for run in data["runs"]] == [0.5, 0.9]
    assert data["runs"][0]["effects"][0]["action_shift"] is None  # of the last state only
    rows = list(csv.DictReader((out / "steering.csv").open()))
    assert [row["chunks"] for row in rows] == ["10", "20", "10", "20"] and rows[0]["action_shift"] == ""
    assert (out / "steering.png").stat().st_size > 10_000


def test_a_base_without_latents_says_so(tmp_path: Path) -> None:
    path = made.run(tmp_path / "run", made.model(latents=False), 20)
    assert main(["steering", str(path), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "steering.md").read_text()
    assert "no distribution of its offline latents" in text and "| not known | not known |" in text
    assert "nan" not in text
    (run,) = json.loads((tmp_path / "out" / "steering.json").read_text())["runs"]
    assert run["effects"][0]["mahalanobis"] is None and run["effects"][0]["rms_ratio"] > 0.0


def test_what_cannot_be_studied(tmp_path: Path) -> None:
    one = made.run(tmp_path / "one", made.model(), 10)
    other = made.run(tmp_path / "other", made.model(seed=1), 10)
    with pytest.raises(DataError, match="other: has another base policy"):
        open_runs([one, other])
    with pytest.raises(DataError, match="a base policy steers nothing"):
        open_runs([tmp_path / "one_base.ckpt"])
    with pytest.raises(DataError, match="not a run folder"):
        open_runs([tmp_path])
    with pytest.raises(DataError, match="one state of a run; name the run's folder"):
        open_runs([one / "checkpoints" / "learner.ckpt"])
    with pytest.raises(CheckpointError, match="nothing: no such checkpoint or run folder"):
        open_runs([tmp_path / "nothing"])


def test_a_run_without_transitions(tmp_path: Path) -> None:
    (run,) = open_runs([made.run(tmp_path / "run", made.model(), 0)])
    with pytest.raises(DataError, match="holds no transition"):
        visited([run])


def test_embeddings_of_other_sizes(tmp_path: Path) -> None:
    task = replace(made.TASK, policy=replace(made.TASK.policy, image_embedding=12))
    from zprl_core.base import new_model

    one = made.run(tmp_path / "one", made.model(), 10)
    other = made.run(tmp_path / "other", new_model(task, 0).eval(), 0, task)
    with pytest.raises(DataError, match="their embeddings have"):
        open_runs([one, other])
