# SPDX-License-Identifier: Apache-2.0
"""TensorBoard scalars without loading torch: event files from tensorboard's own writer."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


class CurveWriter:
    """Appends scalars to an event file of its own in a folder; a context manager that closes it."""

    def __init__(self, folder: Path, suffix: str = "") -> None:
        """
        Args:
            folder: of the event files; several writers may share it.
            suffix: end of the file's name, to tell writers apart.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventFileWriter(str(folder), filename_suffix=suffix)

    def __enter__(self) -> CurveWriter:
        """The writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close the file."""
        self._writer.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add one point to each curve; what is not finite is left out."""
        points = [
            Summary.Value(tag=tag, simple_value=float(value))
            for tag, value in values.items()
            if math.isfinite(value)
        ]
        if points:
            self._writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=points)))

    def flush(self) -> None:
        """Make the points visible to a running TensorBoard."""
        self._writer.flush()
