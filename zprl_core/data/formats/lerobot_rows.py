# SPDX-License-Identifier: Apache-2.0
"""Rows of LeRobot's parquet files: those of meta/episodes, and the ticks of one episode after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zprl_core.data.formats.edges import reading
from zprl_core.data.formats.lerobot_layout import Place
from zprl_core.data.formats.library import library
from zprl_core.errors import DataError

_WHAT = "reading LeRobot's parquet"
_BATCH = 256
"""Ticks that are read at a time; a picture each may be among them."""
_NEEDED = ("episode_index", "length", "data/chunk_index", "data/file_index")


@dataclass(frozen=True, eq=False)
class Rows:
    """The ticks of one episode: a pyarrow table, and where it comes from."""

    table: Any
    where: str

    def vector(self, key: str) -> NDArray[Any]:
        """A column as (T, d); a plain one is (T, 1).

        Raises:
            DataError: it does not hold numbers, or not the same number of them in every row.
        """
        column = self.table.column(key).combine_chunks()
        try:
            numbers = np.asarray(column.to_pylist())
        except ValueError as error:
            raise DataError(f"{self.where}: '{key}' has rows of different lengths") from error
        if numbers.dtype.kind not in "fiub" or numbers.ndim > 2:
            raise DataError(f"{self.where}: '{key}' is {column.type}, must be a vector of numbers")
        return numbers[:, None] if numbers.ndim == 1 else numbers

    def pictures(self, key: str) -> NDArray[np.uint8]:
        """A column of encoded pictures as (T, h, w, 3) RGB.

        Raises:
            DataError: a picture is missing, damaged, or of another size.
        """
        frames = [
            self._picture(key, tick, held) for tick, held in enumerate(self.table.column(key).to_pylist())
        ]
        sizes = {frame.shape for frame in frames}
        if len(sizes) > 1:
            raise DataError(f"{self.where}: '{key}' has pictures of different sizes: {sorted(sizes)}")
        return np.stack(frames)

    def _picture(self, key: str, tick: int, held: Any) -> NDArray[np.uint8]:
        data = held.get("bytes") if isinstance(held, Mapping) else None
        if not data:
            raise DataError(
                f"{self.where}: '{key}' has no picture in the file at tick {tick}; pictures in files beside "
                "are not read: embed them with LeRobot"
            )
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise DataError(f"{self.where}: '{key}' is no whole picture at tick {tick}")
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def read_episode_rows(root: Path) -> list[dict[str, Any]]:
    """meta/episodes without the statistics, in the order of episode_index.

    Raises:
        ConfigError: pyarrow is missing.
        DataError: none, damaged, or a column is missing.
    """
    parquet = library("pyarrow.parquet", _WHAT)
    paths = sorted((root / "meta/episodes").glob("*/*.parquet"))
    if not paths:
        raise DataError(f"{root}: meta/episodes has no parquet file; download the dataset whole")
    rows: list[dict[str, Any]] = []
    for path in paths:
        with _parquet(path):
            names = parquet.read_schema(path).names
            missing = [name for name in _NEEDED if name not in names]
            if missing:
                raise DataError(f"{path}: has no column '{missing[0]}'; it is no file of v3.0")
            rows += parquet.read_table(
                path, columns=[name for name in names if not name.startswith("stats/")]
            ).to_pylist()
    rows.sort(key=lambda row: row["episode_index"])
    if [row["episode_index"] for row in rows] != list(range(len(rows))):
        raise DataError(f"{root}: meta/episodes does not number {len(rows)} episodes from 0 on")
    return rows


def read_rows(
    root: Path, template: str, episodes: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> Iterator[Rows]:
    """The ticks of each episode, in the order of `episodes`.

    Args:
        root: of the dataset.
        template: data_path of info.json.
        episodes: from `read_episode_rows`.
        columns: that are wanted.

    Raises:
        DataError: a file is missing or damaged, has not these columns, or holds another episode or length.
    """
    arrow = library("pyarrow", _WHAT)
    place, batches = None, iter(())
    held: Any = None
    for row in episodes:
        here = Place(row["data/chunk_index"], row["data/file_index"])
        path = root / here.path(template)
        if here != place:
            place, held, batches = here, None, _batches(path, columns)
        where, length = f"{path}: episode {row['episode_index']}", int(row["length"])
        with _parquet(path):
            while held is None or held.num_rows < length:
                batch = next(batches, None)
                if batch is None:
                    have = 0 if held is None else held.num_rows
                    raise DataError(f"{where}: has {have} ticks, meta/episodes says {length}; it is cut off")
                table = arrow.Table.from_batches([batch])
                held = table if held is None else arrow.concat_tables([held, table])
            ticks, held = held.slice(0, length), held.slice(length)
        numbers = set(ticks.column("episode_index").to_pylist())
        if numbers - {row["episode_index"]}:
            raise DataError(f"{where}: its rows belong to episode {sorted(numbers)}; download it again")
        yield Rows(ticks, where)


def _batches(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    parquet = library("pyarrow.parquet", _WHAT)
    with _parquet(path):
        file = parquet.ParquetFile(path)
    wanted = [*dict.fromkeys((*columns, "episode_index"))]
    for key in wanted:
        if key not in file.schema_arrow.names:
            have = ", ".join(file.schema_arrow.names)
            raise DataError(f"{path}: has no column '{key}'; it has: {have}")
    with file:
        yield from file.iter_batches(batch_size=_BATCH, columns=wanted)


@contextmanager
def _parquet(path: Path) -> Iterator[None]:
    """Reads a file that meta/episodes names."""
    if not path.exists():
        raise DataError(f"{path} does not exist, but meta/episodes names it; download the dataset whole")
    with reading(f"{path}: is no whole parquet file"):
        yield
