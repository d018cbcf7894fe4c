"""What happens to a file on its way: bits that flip, ends that are missing, lines that come twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st

from zprl_core.errors import ZprlError

Change = Callable[[bytes], bytes]
FUZZ = settings(derandomize=True, deadline=None, max_examples=150)
"""The same cases in every run."""


def _flip(place: int, mask: int) -> Change:
    def change(data: bytes) -> bytes:
        at = place % max(len(data), 1)
        return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :] if data else data

    return change


def _cut(begin: int, length: int) -> Change:
    return lambda data: data[: begin % (len(data) + 1)] + data[begin % (len(data) + 1) + length :]


def _end(place: int) -> Change:
    return lambda data: data[: place % (len(data) + 1)]


def _insert(place: int, more: bytes) -> Change:
    return lambda data: data[: place % (len(data) + 1)] + more + data[place % (len(data) + 1) :]


places = st.integers(0, 1 << 20)
flips = st.builds(_flip, places, st.integers(1, 255))
ends = st.builds(_end, places)
changes: st.SearchStrategy[Change] = st.one_of(
    flips,
    ends,
    st.builds(_cut, places, st.integers(1, 40)),
    st.builds(_insert, places, st.binary(min_size=1, max_size=20)),
    st.just(lambda data: data + bytes(64)),
)
damages = st.lists(changes, min_size=1, max_size=3)


def damaged(data: bytes, made: list[Change]) -> bytes:
    """The bytes after all that."""
    for change in made:
        data = change(data)
    return data


@contextmanager
def left_alone(path: Path) -> Iterator[None]:
    """Whoever reads the file does not change it, and whatever stops it names the file."""
    before = path.read_bytes()
    try:
        yield
    except ZprlError as error:
        assert str(path) in str(error), error
    assert path.read_bytes() == before
