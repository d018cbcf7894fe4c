"""Brings the files of an interrupted lockstep run to one point before its processes start again. Torch-free.

The session records an episode when it ends; the learner logs its last transition a moment later. A kill in
between leaves an episode that is over and was not learned. In lockstep it is run again, to the bit, so its
record is dropped here; what the other files hold of it is dropped by those who write them.
"""

from __future__ import annotations

from zprl_core import record_log
from zprl_core.plan import TRAIN
from zprl_core.records import read_records
from zprl_core.run_folder import RunFolder, write_text


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
