"""episodes.jsonl as a recorder follows it: every line once, whatever becomes of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from zprl_core.bags.labels import Episodes
from zprl_core.errors import DataError
from zprl_core.records import EpisodeRecord, Outcome, append_record
from zprl_core.recovery import set_aside_unrecorded_bags
from zprl_core.run_folder import RunFolder, write_text
from zprl_core.session.ledger import Entry, LedgerFile


def record(episode: int, outcome: Outcome = "success") -> EpisodeRecord:
    return EpisodeRecord(
        episode=episode,
        block="train",
        mode="explore",
        layout_seed=episode,
        outcome=outcome,
        steps=16,
        chunks=1,
        start_stamp_ns=0,
        end_stamp_ns=1,
        label_author="judge",
    )


def test_only_what_is_new_is_told(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    episodes = Episodes(path)
    assert episodes.look() == set()
    append_record(path, record(0))
    append_record(path, record(1))
    assert episodes.look() == {0, 1}
    assert episodes.look() == set()
    append_record(path, record(0, "failure"))
    assert episodes.look() == {0}
    assert [episodes.records[number].outcome for number in (0, 1)] == ["failure", "success"]


def test_a_bag_without_a_record_is_out_of_the_way_of_the_next_episode_of_its_number(tmp_path: Path) -> None:
    """Whether the session that goes on records or not; an outcome may stand in the ledger alone."""
    run = RunFolder(tmp_path)
    for number in range(3):
        (run.bags / f"episode_{number:06d}").mkdir(parents=True)
    append_record(run.episodes_file, record(0))
    ledger = LedgerFile(run.ledger_file)
    entry = Entry(event="label", command_id="", author="judge", before="", stamp_ns=1, record=record(1))
    ledger.append(entry)
    assert set_aside_unrecorded_bags(run) == [2]
    assert sorted(path.name for path in run.bags.iterdir()) == [
        "episode_000000",
        "episode_000001",
        "superseded",
    ]
    assert [path.name for path in (run.bags / "superseded").iterdir()] == ["episode_000002-0"]


def test_a_torn_line_waits_until_it_is_whole_or_gone(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    append_record(path, record(0))
    with path.open("a") as file:
        file.write(record(1).to_json()[:20])
    episodes = Episodes(path)
    assert episodes.look() == {0}
    append_record(path, record(2))  # which cuts it off
    assert episodes.look() == {2}


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    for number in range(3):
        append_record(path, record(number))
    episodes = Episodes(path)
    episodes.look()
    write_text(path, record(0, "failure").to_json() + "\n")
    assert episodes.look() == {0}
    assert episodes.records == {0: record(0, "failure")}


def test_damage_names_its_line_every_time(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    append_record(path, record(0))
    episodes = Episodes(path)
    episodes.look()
    with path.open("a") as file:
        file.write("no JSON\n")
    for _ in range(2):
        with pytest.raises(DataError, match=r"episodes\.jsonl: line 2: not a line of JSON"):
            episodes.look()
