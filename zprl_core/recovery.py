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
from zprl_core.plan import TRAIN, Block, position
from zprl_core.records import EpisodeRecord, append_record, read_records
from zprl_core.run_folder import RunFolder, write_text
from zprl_core.session.layouts import next_layout_seed

INTERRUPTED = "the run was interrupted"


def drop_unlearned(folder: RunFolder) -> int | None:
    """Drop the records from the first training episode on whose ending the learner never logged.

    Returns:
        Index of that episode; None where every ending is in the log.

    Raises:
        DataError: a damaged file; nothing is changed then.
    """
    records = read_records(folder.episodes_file)
    learned: set[int] = set()
    if folder.transitions_file.exists():
        learned = {r["episode"] for _, r in record_log.read(folder.transitions_file) if r.get("last")}
    training = [record for record in records if record.block == TRAIN and not record.void]
    first = min((record.episode for record in training if record.episode not in learned), default=None)
    if first is not None:
        kept = [record.to_json() + "\n" for record in records if record.episode < first]
        write_text(folder.episodes_file, "".join(kept))
    return first


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
    records = read_records(folder.episodes_file)
    missing = sorted(set(chunks) - {record.episode for record in records})
    place = position(blocks, records)
    if place is None:
        return []
    for episode in missing:
        append_record(
            folder.episodes_file,
            EpisodeRecord(
                episode=episode,
                block=place.block.name,
                mode=place.block.mode,
                layout_seed=next_layout_seed(folder.spec.seed, place, records),
                outcome="void",
                steps=0,
                chunks=chunks[episode],
                start_stamp_ns=0,
                end_stamp_ns=0,
                label_author="resume",
                reason=INTERRUPTED,
            ),
        )
    return missing
