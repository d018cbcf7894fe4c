# SPDX-License-Identifier: Apache-2.0
"""Which runs are seeds of one setting, what a setting is called, and which folders are refused."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.report import made
from zprl_core.config import load_task
from zprl_core.errors import DataError
from zprl_core.report.runs import Offline, block_name, methods, read_runs


def test_seeds_and_settings(tmp_path: Path) -> None:
    """Two seeds of one lambda, one of another; evaluations are no method."""
    weak, strong = made.task(lambda_=0.1), made.task(lambda_=0.3)
    train = made.episodes("train", "s")
    paths = [
        made.folder(tmp_path / "a", train, weak, seed=7),
        made.folder(tmp_path / "b", train, strong, seed=1),
        made.folder(tmp_path / "c", train, weak, seed=2),
        made.folder(tmp_path / "eval", made.episodes("final", "s"), weak, mode="evaluate"),
    ]
    found = methods(made.read(*paths))
    assert [(each.name, [run.name for run in each.runs]) for each in found] == [
        ("lambda 0.1", ["c", "a"]),
        ("lambda 0.3", ["b"]),
    ]


def test_what_settings_are_called(tmp_path: Path) -> None:
    """One setting needs no name; one name in two sections is told apart; many differences are counted."""
    train = made.episodes("train", "s")
    first = made.folder(tmp_path / "first", train)
    assert [each.name for each in methods(made.read(first))] == ["ZPRL"]
    other = made.folder(tmp_path / "other", train, made.task(steering="action_residual", lambda_=0.1))
    assert [each.name for each in methods(made.read(other))] == ["action residual"]
    demo = made.task()
    both = replace(made.task(hidden=64), bottleneck=replace(demo.bottleneck, hidden=32))
    found = methods(made.read(first, made.folder(tmp_path / "both", train, both)))
    assert [each.name for each in found] == [
        f"bottleneck.hidden {demo.bottleneck.hidden}, rl.hidden {demo.rl.hidden}",
        "bottleneck.hidden 32, rl.hidden 64",
    ]
    many = made.task(lambda_=0.5, gamma=0.9, utd=3, tau=0.1)
    found = methods(made.read(first, made.folder(tmp_path / "many", train, many, chunks=9)))
    assert found[1].name == "lambda 0.5, gamma 0.9, utd 3 and 2 more"
    hidden = [made.task(lambda_=0.5, gamma=0.9, utd=3, tau=tau) for tau in (0.1, 0.2)]
    paths = [made.folder(tmp_path / f"h{n}", train, each, chunks=9) for n, each in enumerate(hidden)]
    names = [each.name for each in methods(made.read(first, *paths))]
    assert len(set(names)) == 3 and names[2].startswith("3: lambda 0.5")


def test_names_have_as_much_of_the_path_as_is_needed(tmp_path: Path) -> None:
    train = made.episodes("train", "s")
    paths = [made.folder(tmp_path / name / "zprl", train, seed=n) for n, name in enumerate(("s0", "s1"))]
    assert [run.name for run in made.read(*paths)] == ["s0/zprl", "s1/zprl"]
    assert [run.name for run in made.read(paths[0])] == ["zprl"]


def test_blocks_have_peoples_names() -> None:
    blocks = ("base_c", "base_z", "final", "eval_2", "train")
    names = ["base, through c", "base, through z", "steered", "steered, evaluation 2", "while learning"]
    assert [block_name(block) for block in blocks] == names


def test_the_same_run_twice(tmp_path: Path) -> None:
    run = made.folder(tmp_path / "run", made.episodes("train", "s"))
    with pytest.raises(DataError, match="named twice"):
        read_runs([run, run])
    shutil.copytree(run, tmp_path / "copy")
    with pytest.raises(DataError, match=r"copy: is the same run as .*run; name one"):
        read_runs([run, tmp_path / "copy"])
    (tmp_path / "link").symlink_to(run)
    with pytest.raises(DataError, match="is the same run as"):
        read_runs([run, tmp_path / "link"])


def test_what_is_no_subject_of_a_report(tmp_path: Path) -> None:
    run = made.folder(tmp_path / "run", made.episodes("train", "s"))
    other = made.folder(tmp_path / "egg", made.episodes("train", "s"), load_task("flip_egg"))
    with pytest.raises(DataError, match="different tasks: flip_egg, place_orange_demo"):
        read_runs([run, other])
    with pytest.raises(DataError, match="not one episode"):
        read_runs([made.folder(tmp_path / "empty", [])])
    with pytest.raises(DataError, match="not a run folder"):
        read_runs([tmp_path])
    shown = made.folder(
        tmp_path / "shown", made.episodes("demonstrations", "s", mode="human"), mode="collect"
    )
    with pytest.raises(DataError, match="holds demonstrations"):
        read_runs([run, shown])


def test_an_empty_run_among_others_is_read(tmp_path: Path) -> None:
    paths = made.folder(tmp_path / "run", made.episodes("train", "s")), made.folder(tmp_path / "new", [])
    assert [len(run.records) for run in made.read(*paths)] == [1, 0]


def test_the_guard_is_that_of_training(tmp_path: Path) -> None:
    """Evaluations do not explore, so their chunks are another curve; a chunk planned anew counts once."""
    records = made.numbered(
        made.episodes("base_z", "s"), made.episodes("train", "ss"), made.episodes("final", "s")
    )
    run = made.folder(tmp_path / "run", records)
    lines = [(0, 0, None), (1, 0, 0.1), (1, 1, 0.2), (1, 1, 0.3), (2, 0, None), (2, 1, 0.4), (3, 0, 9.0)]
    made.chunks(run, lines, tail='{"episode": 2, "chu')  # torn by a kill
    (found,) = made.read(run)
    assert found.guard["rms_ratio"] == [0.1, 0.3, 0.4]
    assert found.guard["displacement"] == pytest.approx([0.3, 0.9, 1.2])


def test_a_guard_value_that_is_not_known(tmp_path: Path) -> None:
    run = made.folder(tmp_path / "run", made.episodes("train", "s"))
    line = {"episode": 0, "chunk": 0, "rms_ratio": 0.1, "mahalanobis": None, "displacement": 0.2}
    (run / "chunks.log").write_text(json.dumps(line) + "\n")
    (found,) = made.read(run)
    assert found.guard["rms_ratio"] == [0.1] and math.isnan(found.guard["mahalanobis"][0])


@pytest.mark.parametrize("damage", [b"{oops}\n", b"\xff\xfe\n", b"[1]\n", b'{"rms_ratio": 1.0}\n', b"\n"])
def test_a_damaged_log_of_chunks_is_named(tmp_path: Path, damage: bytes) -> None:
    run = made.folder(tmp_path / "run", made.episodes("train", "s"))
    made.chunks(run, [(0, 0, 0.1)])
    log = run / "chunks.log"
    log.write_bytes(log.read_bytes() + damage)
    with pytest.raises(DataError, match=r"chunks\.log: line 2: .*move the file away"):
        made.read(run)


@pytest.mark.parametrize(
    ("beside", "known"),
    [
        ({"demonstrations": {"episodes": 30, "ticks": 4200}}, Offline(30, 4200)),
        ({"demonstrations": {"episodes": 30}}, None),
        ({"demonstrations": 7}, None),
        ({"data": "/nowhere"}, None),
        ({}, None),
    ],
)
def test_demonstrations_are_known_from_beside_the_base_policy(
    tmp_path: Path, beside: dict[str, object], known: Offline | None
) -> None:
    run = made.folder(tmp_path / "run", made.episodes("train", "s"))
    (tmp_path / "base.ckpt.json").write_text(json.dumps(beside))
    (found,) = made.read(run)
    assert found.offline == known
