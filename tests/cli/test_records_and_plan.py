# SPDX-License-Identifier: Apache-2.0
"""episodes.jsonl and plan.json: read back as written, torn ends survived, runs go on where they were."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.errors import DataError
from zprl_core.plan import (
    Block,
    evaluation_plan,
    position,
    read_plan,
    training_plan,
    write_plan,
)
from zprl_core.records import EpisodeRecord, append_record, read_records

Make = Callable[..., EpisodeRecord]


def test_a_record_survives_its_line(record: Make) -> None:
    one = dataclasses.replace(record(7, "train", "success"), reason="über", layout="{x: 1}\n")
    assert EpisodeRecord.from_json(one.to_json()) == one
    assert "\n" not in one.to_json()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"outcome": "won"}, "outcome is 'won', allowed: success, failure, horizon, void"),
        ({"steps": "80"}, "steps is '80', not int"),
        ({"steps": True}, "steps is True, not int"),
        ({"block": None}, "block is None, not str"),
        ({"colour": 1}, "unknown key.*colour"),
        ({"mode": ...}, "lacks 'mode'"),
    ],
)
def test_a_damaged_record_names_the_key(record: Make, change: dict[str, object], said: str) -> None:
    data = {**json.loads(record(0, "train", "failure").to_json()), **change}
    data = {key: value for key, value in data.items() if value is not ...}
    with pytest.raises(DataError, match=said):
        EpisodeRecord.from_dict(data)


def test_a_later_line_corrects_an_earlier_one(tmp_path: Path, record: Make) -> None:
    path = tmp_path / "episodes.jsonl"
    assert read_records(path) == ()
    for one in (record(0, "train", "success"), record(1, "train", "failure"), record(0, "train", "void")):
        append_record(path, one)
    assert [r.outcome for r in read_records(path)] == ["void", "failure"]


def test_a_torn_end_is_dropped_and_then_cut_off(tmp_path: Path, record: Make) -> None:
    path = tmp_path / "episodes.jsonl"
    for episode in range(3):
        append_record(path, record(episode, "train", "success"))
    whole = path.read_bytes()
    second = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    for length in range(second, len(whole)):
        path.write_bytes(whole[:length])
        assert [r.episode for r in read_records(path)] == [0, 1]
        append_record(path, record(2, "train", "success"))
        assert path.read_bytes() == whole


def test_damage_in_the_middle_names_file_and_line(tmp_path: Path, record: Make) -> None:
    path = tmp_path / "episodes.jsonl"
    good = record(0, "train", "success").to_json()
    path.write_text(f"{good}\nnonsense\n{good}\n")
    with pytest.raises(DataError, match=rf"{path}: line 2: not a line of JSON"):
        read_records(path)


def test_training_plan() -> None:
    names = [(b.name, b.mode, b.episodes, b.chunks) for b in training_plan(2500, 40, 1000)]
    assert names == [
        ("base_c", "base_c", 40, None),
        ("base_z", "base_z", 40, None),
        ("train", "explore", None, 1000),
        ("eval_1", "steer", 40, None),
        ("train", "explore", None, 2000),
        ("eval_2", "steer", 40, None),
        ("train", "explore", None, 2500),
        ("final", "steer", 40, None),
    ]
    assert [b.name for b in training_plan(2000, 40, 1000)].count("eval_1") == 1
    assert [b.name for b in training_plan(2000, 40, 1000)][-1] == "final"
    assert [b.name for b in training_plan(10, 0, 5)] == ["train"]
    assert [b.name for b in training_plan(0, 4, None)] == ["base_c", "base_z"]


def test_evaluation_plan_of_one_policy() -> None:
    assert evaluation_plan(("steer",), 9) == (Block("final", "steer", episodes=9),)
    assert evaluation_plan(("base_c",), 9, cases={"a": 2, "b": 3}) == (
        Block("base_c", "base_c", episodes=2, case="a"),
        Block("base_c", "base_c", episodes=3, case="b"),
    )


def test_plan_file(tmp_path: Path) -> None:
    path, blocks = tmp_path / "plan.json", training_plan(30, 4, 10)
    write_plan(path, blocks)
    assert read_plan(path) == blocks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("{}", "list of blocks"),
        ('[{"name": "x", "mode": "fly", "episodes": 1}]', "'fly', allowed: base_c, base_z, explore, steer"),
        ('[{"name": "x", "mode": "steer"}]', "either episodes or chunks"),
        ('[{"name": "x", "mod": "steer"}]', "mod"),
        ('[{"name": "x", "mode": "steer", "episodes": 1, "case": 3}]', "case: 3, allowed: a text"),
        ('[{"name": "x", "mode": "steer", "episodes": 1, "error_rate": 1.0}]', "allowed: between 0 and 1"),
        ('[{"name": "x", "mode": "steer", "episodes": 1, "error_rate": "5 %"}]', "allowed: between 0 and 1"),
    ],
)
def test_a_damaged_plan(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_plan(path)
    with pytest.raises(DataError, match="zprl train"):
        read_plan(tmp_path / "absent.json")


def test_position_counts_episodes_and_training_chunks(record: Make) -> None:
    blocks = training_plan(chunks=20, eval_episodes=2, every_chunks=10)
    records: list[EpisodeRecord] = []
    walked = []
    while (now := position(blocks, records)) is not None:
        walked.append((now.block.name, now.done))
        outcome = "void" if len(records) in (1, 6) else "success"
        records.append(record(len(records), now.block.name, outcome, chunks=6))  # type: ignore[arg-type]
    assert walked == [
        ("base_c", 0),
        ("base_c", 1),  # void: once more
        ("base_c", 1),
        ("base_z", 0),
        ("base_z", 1),
        ("train", 0),
        ("train", 6),  # void
        ("train", 6),
        ("eval_1", 0),
        ("eval_1", 1),
        ("train", 12),
        ("train", 18),
        ("final", 0),
        ("final", 1),
    ]


@given(st.integers(0, 60), st.integers(0, 5), st.none() | st.integers(1, 20), st.integers(1, 9))
def test_every_plan_ends_and_only_needs_what_it_says(
    chunks: int, episodes: int, every: int | None, length: int
) -> None:
    blocks = training_plan(chunks, episodes, every)
    records: list[EpisodeRecord] = []
    while (now := position(blocks, records)) is not None:
        one = {"steps": 1, "chunks": length, "start_stamp_ns": 0, "end_stamp_ns": 0, "layout_seed": 0}
        records.append(
            EpisodeRecord(
                episode=len(records),
                block=now.block.name,
                mode=now.block.mode,
                outcome="horizon",
                label_author="horizon",
                **one,
            )
        )
    measured = sum(r.block != "train" for r in records)
    assert measured == episodes * sum(b.episodes is not None for b in blocks)
    trained = sum(r.chunks for r in records if r.block == "train")
    assert chunks <= trained < chunks + length or trained == chunks == 0


def test_a_block_says_whether_it_learns() -> None:
    assert Block("train", "explore", chunks=1).learns
    assert not Block("final", "steer", episodes=1).learns
