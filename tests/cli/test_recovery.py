"""A kill between an episode's record and its last transition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from zprl_core.plan import Block
from zprl_core.record_log import RecordLog
from zprl_core.records import EpisodeRecord, append_record, read_records
from zprl_core.recovery import drop_unlearned, void_unrecorded
from zprl_core.run_folder import RunFolder
from zprl_core.session import Entry, LedgerFile, in_effect, layout_seed, read_ledger, record_outcomes


def _record(episode: int, block: str, outcome: str = "success") -> EpisodeRecord:
    mode = {"train": "explore"}.get(block, block)
    return EpisodeRecord(
        episode=episode,
        block=block,
        mode=mode,
        layout_seed=1,
        outcome=outcome,  # type: ignore[arg-type]
        steps=16,
        chunks=1,
        start_stamp_ns=1,
        end_stamp_ns=2,
        label_author="judge",
    )


@pytest.mark.parametrize(
    ("logged", "kept", "first"),
    [
        ([(2, True), (3, False), (3, True), (5, True)], 6, None),
        ([(2, True), (3, False), (3, True), (5, False)], 5, 5),
        ([(2, True)], 3, 3),
        ([], 2, 2),
    ],
)
def test_records_are_kept_up_to_the_first_ending_that_was_not_logged(
    tmp_path: Path, logged: list[tuple[int, bool]], kept: int, first: int | None
) -> None:
    """Episodes 0 and 1 are evaluations and 4 is void: they leave nothing in the log."""
    folder = RunFolder(tmp_path)
    blocks = ["base_c", "base_z", "train", "train", "train", "train"]
    for episode, block in enumerate(blocks):
        append_record(folder.episodes_file, _record(episode, block, "void" if episode == 4 else "success"))
    log = RecordLog(folder.transitions_file)
    for episode, last in logged:
        log.append({"kind": "transition", "episode": episode, "last": last})
    assert drop_unlearned(folder) == first
    assert len(read_records(folder.episodes_file)) == kept


def test_a_forgotten_episode_stays_forgotten_and_its_commands_count_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    ledger = LedgerFile(folder.ledger_file)
    for episode in range(3):
        label = Entry(
            event="label",
            command_id=f"id{episode}",
            author="Ada",
            before="",
            stamp_ns=7,
            record=_record(episode, "train"),
        )
        ledger.append(label)
    log = RecordLog(folder.transitions_file)
    log.append({"kind": "transition", "episode": 0, "last": True})
    assert drop_unlearned(folder) == 1
    entries = read_ledger(folder.ledger_file)
    assert [entry.event for entry in entries] == ["label", "label", "label", "forget"]
    assert [entry.command_id for entry in in_effect(entries)] == ["id0"]
    assert [r.episode for r in record_outcomes(folder.episodes_file, entries)] == [0]
    assert drop_unlearned(folder) is None


def test_a_run_that_never_got_to_training_is_left_alone(tmp_path: Path) -> None:
    assert drop_unlearned(RunFolder(tmp_path)) is None


def test_on_a_real_cell_an_episode_that_never_ended_keeps_its_number(
    tmp_path: Path, new_folder: Callable[..., RunFolder]
) -> None:
    """Episode 1 was learned from and has no record: a void one takes its place, so that 2 comes next."""
    folder = new_folder(tmp_path / "run")
    blocks = (Block("train", "explore", chunks=100),)
    used = layout_seed(folder.spec.seed, "training", 0)
    append_record(folder.episodes_file, replace(_record(0, "train", "success"), layout_seed=used))
    log = RecordLog(folder.transitions_file)
    for episode, chunk in ((0, 0), (1, 0), (1, 1)):
        log.append({"kind": "transition", "episode": episode, "chunk": chunk})
    assert void_unrecorded(folder, blocks) == [1]
    first, second = read_records(folder.episodes_file)
    assert (first.outcome, second.outcome, second.episode, second.chunks) == ("success", "void", 1, 2)
    assert second.layout_seed == layout_seed(folder.spec.seed, "training", 1)
    assert void_unrecorded(folder, blocks) == []
