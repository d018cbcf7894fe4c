# SPDX-License-Identifier: Apache-2.0
"""What a report says of runs of every kind, and what it leaves unsaid. Numbers by hand."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.report import made
from zprl_core.cli import main
from zprl_core.plan import evaluation_plan, training_plan
from zprl_core.records import EpisodeRecord
from zprl_core.report.document import Caution, Document, Figure, Section, Table
from zprl_core.report.sections import report


def reported(tmp_path: Path, *paths: Path) -> Document:
    """The report of run folders."""
    out = tmp_path / "out"
    out.mkdir()
    return report(made.read(*paths), out)


def section(document: Document, title: str) -> Section:
    """By how its title begins."""
    (found,) = (each for each in document.sections if each.title.startswith(title))
    return found


def table(document: Document, name: str) -> list[dict[str, str]]:
    """Rows of a table; none where it is not there."""
    found = [part for each in document.sections for part in each.parts if isinstance(part, Table)]
    return [
        dict(zip(part.header, row, strict=True)) for part in found if part.name == name for row in part.rows
    ]


def sentences(parts: Sequence[object]) -> str:
    """Texts and cautions."""
    return "\n".join(
        part.text if isinstance(part, Caution) else part for part in parts if isinstance(part, str | Caution)
    )


def figures(document: Document) -> list[str]:
    """Files of all figures."""
    return [part.file for each in document.sections for part in each.parts if isinstance(part, Figure)]


def trained(final: str = "ssssssssss", training: str = "s" * 60) -> list[EpisodeRecord]:
    """A finished training run."""
    return made.numbered(
        made.episodes("base_c", "sssssfffff"),
        made.episodes("train", training),
        made.episodes("final", final),
    )


def test_one_seed_only(tmp_path: Path) -> None:
    document = reported(tmp_path, made.folder(tmp_path / "run", trained()))
    assert "ZPRL: one seed only" in sentences(document.lead)
    (learning,) = section(document, "Learning").parts
    assert isinstance(learning, Figure) and "No band" in learning.caption
    assert figures(document) == ["rates.png", "learning.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["learning.png", "rates.png"]
    assert [row["success"] for row in table(document, "success")] == [
        "0.50 [0.24, 0.76] of 10",
        "1.00 [0.72, 1.00] of 10",
    ]


def test_three_seeds_have_a_band_and_no_doubt(tmp_path: Path) -> None:
    paths = [made.folder(tmp_path / f"s{seed}", trained(), seed=seed) for seed in range(3)]
    document = reported(tmp_path, *paths)
    assert sentences(document.lead).count("seed") == 0
    (learning,) = section(document, "Learning").parts
    assert isinstance(learning, Figure) and "Student's 95 %" in learning.caption


def test_the_same_seed_three_times_is_said(tmp_path: Path) -> None:
    paths = [made.folder(tmp_path / f"r{n}", trained()) for n in range(3)]
    document = reported(tmp_path, *paths)
    assert "several runs have seed 0. They are not independent" in sentences(document.lead)
    (learning,) = section(document, "Learning").parts
    assert isinstance(learning, Figure) and "No band" in learning.caption


def test_table_one(tmp_path: Path) -> None:
    """A seed that gets there at 5500 steps, one that does not: no mean, as in the paper."""
    fast = made.folder(tmp_path / "fast", trained("sssssssssf", "f" * 10 + "s" * 60))
    slow = made.folder(tmp_path / "slow", trained("ssssssssff", "f" * 60), seed=1)
    (row,) = table(reported(tmp_path, fast, slow), "table_1")
    assert row["steps to 0.9, mean"] == "N/A" and row["by seed"] == "5500, not reached"
    assert row["final, pooled"] == "0.85 [0.64, 0.95] of 20" and row["final by seed"] == (
        "0.90 [0.60, 0.98] of 10; 0.80 [0.49, 0.94] of 10"
    )
    assert (
        row["last 50 training episodes"] == "1.00 [0.93, 1.00] of 50; 0.00 [0.00, 0.07] of 50"
        and row["seeds"] == "2"
    )


def test_table_one_with_a_mean(tmp_path: Path) -> None:
    paths = [made.folder(tmp_path / f"s{n}", trained(training="f" * n + "s" * 60), seed=n) for n in (10, 20)]
    (row,) = table(reported(tmp_path, *paths), "table_1")
    assert (row["by seed"], row["steps to 0.9, mean"]) == ("5500, 6500", "6000")


def test_a_run_that_is_not_finished(tmp_path: Path) -> None:
    """No final evaluation yet: not "nan", and "not reached so far"."""
    records = made.numbered(made.episodes("base_c", "sf"), made.episodes("train", "f" * 60))
    run = made.folder(tmp_path / "run", records, blocks=training_plan(1000, 2, None))
    document = reported(tmp_path, run)
    assert "run: is not finished" in sentences(document.lead)
    (row,) = table(document, "table_1")
    assert (row["by seed"], row["final, pooled"], row["final by seed"]) == (
        "not reached so far",
        "not measured",
        "-",
    )
    assert "nan" not in document.markdown()


def test_no_evaluation(tmp_path: Path) -> None:
    document = reported(tmp_path, made.folder(tmp_path / "run", made.episodes("train", "s" * 20)))
    assert "success rates are those of training only" in sentences(section(document, "Success").parts)
    assert "No run has 50 training episodes" in sentences(section(document, "Learning").parts)
    assert "No two policies" in sentences(section(document, "Policies").parts)
    assert "No run has the motion" in sentences(section(document, "Smoothness").parts)
    assert "no curve" in sentences(section(document, "The steered latent").parts)
    assert figures(document) == []


def test_evaluations_without_training(tmp_path: Path) -> None:
    records = made.numbered(made.episodes("final", "ss"), made.episodes("base_c", "sf"))
    actor = str(tmp_path / "7" / "checkpoints" / "chunks_005012.ckpt")
    document = reported(tmp_path, made.folder(tmp_path / "e", records, mode="evaluate", actor=actor))
    assert "No training run among these" in sentences(document.lead)
    for title in ("Learning", "Steps to", "Data and time"):
        assert section(document, title).parts == ["No training run."]
    # The base policy first although it drove second.
    assert [(row["policy"], row["trained, chunks"]) for row in table(document, "success")] == [
        ("base, through c", "0"),
        ("steered", "5012"),
    ]


def test_a_run_that_is_called_by_a_number_is_no_checkpoint(tmp_path: Path) -> None:
    records = made.episodes("final", "ss")
    run = made.folder(tmp_path / "e", records, mode="evaluate", actor=str(tmp_path / "2004"))
    (row,) = table(reported(tmp_path, run), "success")
    assert row["trained, chunks"] == "all of its run"


def test_only_cases(tmp_path: Path) -> None:
    """They count in no other rate, and nobody is told that there was no evaluation."""
    records = made.numbered(
        made.episodes("base_c", "sffff", case="pushed"),
        made.episodes("final", "ssssf", case="pushed"),
        made.episodes("base_c", "ssssf", case="red"),
        made.episodes("final", "sssss", case="red"),
    )
    document = reported(tmp_path, made.folder(tmp_path / "cases", records, mode="evaluate"))
    assert "robustness cases are below" in sentences(section(document, "Success").parts)
    assert "Outside robustness cases, no two" in sentences(section(document, "Policies").parts)
    found = [(row["test case"], row["policy"], row["success"]) for row in table(document, "table_4")]
    assert ("pushed", "steered", "0.80 [0.38, 0.96] of 5") in found
    both = "over 2 cases; all trials together"
    assert found[-2:] == [
        ("average", "base, through c", f"0.50 {both} 0.50 [0.24, 0.76] of 10"),
        ("average", "steered", f"0.90 {both} 0.90 [0.60, 0.98] of 10"),
    ]
    assert figures(document) == []


def test_the_motors_off(tmp_path: Path) -> None:
    records = made.numbered(made.episodes("base_c", "sf"), made.episodes("base_c", "ss", shadow_chunks=1))
    document = reported(tmp_path, made.folder(tmp_path / "run", records, mode="evaluate"))
    assert "run: 2 episodes with the motors off left out" in sentences(document.lead)
    (row,) = table(document, "success")
    assert row["success"].endswith("of 2")


def test_nothing_counts(tmp_path: Path) -> None:
    dark = made.folder(tmp_path / "dark", made.episodes("base_c", "s", shadow_chunks=1), mode="evaluate")
    document = reported(tmp_path, dark)
    assert "dark: not one episode counts" in sentences(document.lead)
    assert figures(document) == [] and table(document, "success") == []


def test_a_persons_help(tmp_path: Path) -> None:
    records = made.numbered(made.episodes("final", "sf"), made.episodes("final", "sssf", helped_chunks=2))
    document = reported(tmp_path, made.folder(tmp_path / "run", records, mode="evaluate"))
    assert "run: a person had the arm in 4 episodes, 3 of which succeeded" in sentences(document.lead)
    (row,) = table(document, "success")
    assert (row["helped"], row["success"]) == ("4", "0.67 [0.30, 0.90] of 6")


def test_pairs_by_hand(tmp_path: Path) -> None:
    """Two evaluations with one seed: 1 layout only the steered one, 8 only the other; p = 2 * 10 / 2**9."""
    a = made.folder(tmp_path / "a", made.episodes("final", "sffffffffs"), mode="evaluate")
    b = made.folder(tmp_path / "b", made.episodes("base_c", "fssssssssv"), mode="evaluate")
    (row,) = table(reported(tmp_path, a, b), "paired")
    assert (row["a"], row["b"]) == ("b: base, through c", "a: steered")
    assert [row[name] for name in ("layouts", "both", "only a", "only b", "neither")] == [
        "9",
        "0",
        "8",
        "1",
        "0",
    ]
    assert row["a - b"].startswith("+0.78 [") and float(row["McNemar p"]) == pytest.approx(20 / 512, rel=0.01)


def test_no_p_value_where_an_evaluation_could_end_early(tmp_path: Path) -> None:
    plan = evaluation_plan(("base_c", "steer"), 9, error_rate=0.05)
    records = made.numbered(made.episodes("base_c", "fffffffff"), made.episodes("final", "sssssssss"))
    document = reported(tmp_path, made.folder(tmp_path / "e", records, mode="evaluate", blocks=plan))
    (row,) = table(document, "paired")
    assert row["McNemar p"] == "-"
    assert "so that it ended early" in table(document, "comparisons")[0]["what follows"]


def test_layouts_of_other_seeds_are_not_paired(tmp_path: Path) -> None:
    a = made.folder(tmp_path / "a", made.episodes("final", "s", layout_seed=1), mode="evaluate")
    b = made.folder(tmp_path / "b", made.episodes("final", "s", layout_seed=2), mode="evaluate")
    assert table(reported(tmp_path, a, b), "paired") == []


def test_table_three(tmp_path: Path) -> None:
    """30 demonstrations of 54000 ticks at 30 Hz are half an hour; 60 episodes of 4 s are 240 s."""
    run = made.folder(tmp_path / "run", trained())
    (tmp_path / "base.ckpt.json").write_text(json.dumps({"demonstrations": {"episodes": 30, "ticks": 54000}}))
    (row,) = table(reported(tmp_path, run), "table_3")
    assert (row["# of trajs."], row["# of (o, a)"]) == ("30 | 60", "54000 | 420")
    assert (row["robot time, h"], row["wall time of the run, h"]) == ("0.50 | 0.07", "not known")


def test_table_three_without_demonstrations(tmp_path: Path) -> None:
    (row,) = table(reported(tmp_path, made.folder(tmp_path / "run", trained())), "table_3")
    assert row["# of trajs."] == "not known | 60"


def test_smoothness_has_names_units_and_ratios(tmp_path: Path) -> None:
    records = trained()
    run = made.folder(tmp_path / "run", records)
    made.motion(run, [record for record in records if record.block == "base_c"], 0.1)
    made.motion(run, [record for record in records if record.block == "final"], 0.15)
    document = reported(tmp_path, run)
    base, steered = table(document, "smoothness")
    assert (base["policy"], steered["policy"]) == ("base, through c", "steered") and "arm" not in base
    assert steered["Vel_EE, m/s"] == "0.150 [0.150, 0.150]" and base["Acc_EE, m/s²"] == "2.00 [2.00, 2.00]"
    (ratio,) = table(document, "table_2")
    assert ratio["Vel_EE"] == "1.50 [1.50, 1.50]"  # no unit
    assert ratio["SPARC"] == "1.00 [1.00, 1.00]"
    assert "smoothness.png" in figures(document)


def test_two_arms_are_told_apart(tmp_path: Path) -> None:
    records = made.episodes("base_c", "ss")
    run = made.folder(tmp_path / "run", records, mode="evaluate")
    for arm in ("left", "right"):
        made.motion(run, records, 0.1, arm)
    assert [row["arm"] for row in table(reported(tmp_path, run), "smoothness")] == ["left", "right"]


def test_guard_curves_of_two_settings(tmp_path: Path) -> None:
    paths = []
    for number, scale in enumerate((0.1, 0.3)):
        run = made.folder(tmp_path / f"r{number}", made.episodes("train", "s"), made.task(lambda_=scale))
        made.chunks(run, [(0, chunk, scale) for chunk in range(120)])
        paths.append(run)
    document = reported(tmp_path, *paths)
    (figure,) = section(document, "The steered latent").parts
    assert isinstance(figure, Figure) and "while learning" in figure.caption


def test_runs_of_different_states_of_the_code(tmp_path: Path) -> None:
    paths = [made.folder(tmp_path / name, trained(), seed=n) for n, name in enumerate("ab")]
    for path, commit in zip(paths, ("0123456789abcdef", "fedcba9876543210"), strict=True):
        made.versions(path, commit)
    document = reported(tmp_path, *paths)
    assert "2 states of the code (0123456789ab, fedcba987654)" in sentences(document.lead)
    assert [row["commit"] for row in table(document, "provenance")] == ["0123456789ab", "fedcba987654"]


def test_many_rows_are_cut_in_the_figure_and_said(tmp_path: Path) -> None:
    records = made.numbered(*(made.episodes(f"eval_{n}", "s") for n in range(41)))
    document = reported(tmp_path, made.folder(tmp_path / "run", records))
    assert len(table(document, "success")) == 41
    (figure,) = (part for part in section(document, "Success").parts if isinstance(part, Figure))
    assert "the first 40 of 41 rows" in figure.caption


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = made.folder(tmp_path / "run", trained()), tmp_path / "out"
    assert main(["report", str(run), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "one seed only" in shown and f"report: {out}/report.html" in shown
    with (out / "tables" / "success.csv").open(newline="") as file:
        assert [row["run"] for row in csv.DictReader(file)] == ["run", "run"]
    assert main(["report", str(run), "--out", str(out)]) != 0
    assert "not empty" in capsys.readouterr().err
