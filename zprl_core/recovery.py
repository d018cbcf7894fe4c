"""Brings the files of an interrupted run to one point before its processes start again. Torch-free.

The session records an episode when it ends; the learner logs its transitions as they come. A kill leaves an
episode in one file and not in the other. In lockstep it is run again, to the bit: a record without a learned
ending is dropped here, and what the other files hold of it by those who write them. On a real cell nothing
recorded is forgotten: an episode that was learned from and never ended gets a void record, so that its
number, by which the learner knows a transition that is sent again, is not used twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from zprl_core import record_log
from zprl_core.bags.labels import set_aside_unrecorded
from zprl_core.plan import TRAIN, Block, position
from zprl_core.records import EpisodeRecord
from zprl_core.run_folder import RunFolder, write_text
from zprl_core.session.layouts import next_layout_seed
from zprl_core.session.ledger import Entry, EntryEvent, LedgerFile, in_effect, record_outcomes

INTERRUPTED = "the run was interrupted"
AUTHOR = "resume"


def drop_unlearned(folder: RunFolder) -> int | None:
    """Drop the records from the first episode on whose ending the learner never logged, or whose label was
    undone and not given anew.

    Returns:
        Index of that episode; None where every ending is in the log.

    Raises:
        DataError: a damaged file; nothing is changed then.
    """
    ledger = LedgerFile(folder.ledger_file)
    records = record_outcomes(folder.episodes_file, ledger.entries)
    learned: set[int] = set()
    if folder.transitions_file.exists():
        learned = {r["episode"] for _, r in record_log.read(folder.transitions_file) if r.get("last")}
    training = [record for record in records if record.block == TRAIN and not record.void]
    unlearned = [record for record in training if record.episode not in learned]
    last = {entry.record.episode: entry for entry in in_effect(ledger.entries)}
    undone = [entry.record for entry in last.values() if entry.event == "undo"]
    lost = min((*unlearned, *undone), key=lambda record: record.episode, default=None)
    if lost is None:
        return None
    ledger.append(_entry("forget", lost))
    kept = [record.to_line() for record in records if record.episode < lost.episode]
    write_text(folder.episodes_file, "".join(kept))
    return lost.episode


def set_aside_unrecorded_bags(folder: RunFolder) -> list[int]:
    """Move bags of episodes without a record out of the way; returns those episodes.

    Raises:
        DataError: a damaged file. OSError: a bag cannot be moved.
    """
    records = record_outcomes(folder.episodes_file, LedgerFile(folder.ledger_file).entries)
    return set_aside_unrecorded(folder, {record.episode for record in records})


def void_unrecorded(folder: RunFolder, blocks: Sequence[Block]) -> list[int]:
    """Append a void record for every episode that the learner logged and the session did not.

    Args:
        folder: of the run. blocks: its plan.

    Returns:
        Indices of those episodes; none where the plan is finished.

    Raises:
        DataError: a damaged file; nothing is changed then.
    """
    if not folder.transitions_file.exists():
        return []
    chunks: dict[int, int] = {}
    for _, record in record_log.read(folder.transitions_file):
        if record["kind"] == "transition":
            chunks[record["episode"]] = record["chunk"] + 1
    ledger = LedgerFile(folder.ledger_file)
    records = record_outcomes(folder.episodes_file, ledger.entries)
    missing = sorted(set(chunks) - {record.episode for record in records})
    place = position(blocks, records)
    if place is None:
        return []
    for episode in missing:
        void = EpisodeRecord(
            episode=episode,
            block=place.block.name,
            mode=place.block.mode,
            layout_seed=next_layout_seed(folder.spec.seed, place, records),  # of training: never a preset
            outcome="void",
            steps=0,
            chunks=chunks[episode],
            start_stamp_ns=0,
            end_stamp_ns=0,
            label_author=AUTHOR,
            reason=INTERRUPTED,
            case=place.block.case,
        )
        ledger.append(_entry("fault", void))
    record_outcomes(folder.episodes_file, ledger.entries)
    return missing


def _entry(event: EntryEvent, record: EpisodeRecord) -> Entry:
    before = record.outcome if event == "forget" else ""
    return Entry(event=event, command_id="", author=AUTHOR, before=before, stamp_ns=0, record=record)
