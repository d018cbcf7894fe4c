"""A bag that is cut off at any byte gives back everything before its last flush."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader

from tests.bags.conftest import FACTS, bags_of, outcome, reading
from zprl_core import cli
from zprl_core.bags.definitions import Definition
from zprl_core.bags.episodes import EpisodeBags, Source
from zprl_core.bags.named import bags_named
from zprl_core.bags.reading import describe
from zprl_core.bags.recovery import recover
from zprl_core.errors import DataError
from zprl_core.records import append_record
from zprl_core.run_folder import RunFolder

NAME = "episode_000000_0.mcap"
Flushed = list[tuple[int, int]]
"""(bytes of the file, messages in it) after each flush."""


@pytest.fixture(scope="module")
def recording(
    tmp_path_factory: pytest.TempPathFactory, definition: Definition
) -> tuple[bytes, bytes, Flushed]:
    """A bag as it lies there before it is finished, the same finished, and what had been flushed when."""
    run, bags = bags_of(tmp_path_factory.mktemp("recording"))
    file = run.bags / "episode_000000" / NAME
    flushed = [(file.stat().st_size, 0)]
    fast, slow = (Source(name, "", definition) for name in ("/fast", "/slow"))
    for number in range(60):
        source = slow if number % 20 == 0 else fast
        bags.write(source, reading(number), 1000 + number, number, number)
        if number % 7 == 6:
            bags.flush(0)
            flushed.append((file.stat().st_size, number + 1))
    unfinished = file.read_bytes()
    bags.finish()
    return unfinished, file.read_bytes(), flushed


def test_a_bag_that_is_being_recorded_is_left_alone(tmp_path: Path, definition: Definition) -> None:
    """Replaced, its recorder would go on writing into a file without a name."""
    run, bags = bags_of(tmp_path)
    for number in range(9):
        bags.write(Source("/fast", "", definition), reading(number), 1000 + number, number, number)
    bags.flush(0)
    bag = run.bags / "episode_000000"
    with pytest.raises(DataError, match=r"episode_000000_0\.mcap: is being recorded"):
        recover(bag)
    bags.finish()
    assert recover(bag).damage.none and describe(bag).contents.messages == 9


def cut(folder: Path, data: bytes) -> Path:
    bag = folder / "episode_000000"
    bag.mkdir()
    (bag / NAME).write_bytes(data)
    return bag


def read_with_both(bag: Path) -> list[bytes]:
    with Reader(bag) as found:
        first = [data for _, _, data in found.messages()]
    with (bag / NAME).open("rb") as file:
        second = [message.data for _, _, message in make_reader(file, validate_crcs=True).iter_messages()]
    assert first == second
    return first


@given(st.data())
def test_a_cut_at_any_byte_gives_back_what_was_flushed(
    recording: tuple[bytes, bytes, Flushed], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    _, finished, flushed = recording
    length = data.draw(st.integers(flushed[0][0], len(finished)))
    bag = cut(tmp_path_factory.mktemp("cut"), finished[:length])
    recovered = recover(bag)
    expected = max(messages for size, messages in flushed if size <= length)
    found = read_with_both(bag)
    assert found == [reading(number) for number in range(len(found))]
    assert len(found) == recovered.messages >= expected
    assert describe(bag).metadata["zprl_run"] == FACTS
    assert set(describe(bag).attachments) == {"task.yaml", "rig.yaml"}
    assert [path.name for path in bag.iterdir() if path.name.startswith(".")] == []


def test_the_bytes_around_the_first_flushes(recording: tuple[bytes, bytes, Flushed], tmp_path: Path) -> None:
    """Not drawn but walked through: the boundaries of records are few."""
    unfinished, _, flushed = recording
    (begin, _), (middle, _), (end, _) = flushed[:3]
    near = {edge + step for edge in (begin, middle, end) for step in range(-3, 4)}
    for length in sorted({*range(begin, end, 25), *near} - set(range(begin))):
        folder = tmp_path / str(length)
        folder.mkdir()
        expected = max(messages for size, messages in flushed if size <= length)
        assert recover(cut(folder, unfinished[:length])).messages >= expected


def test_a_whole_bag_is_left_as_it_is(recording: tuple[bytes, bytes, Flushed], tmp_path: Path) -> None:
    _, finished, _ = recording
    bag = cut(tmp_path, finished)
    first = recover(bag)  # it lacks metadata.yaml
    inode = (bag / NAME).stat().st_ino
    second = recover(bag)
    assert (first.messages, second.messages) == (60, 60)
    assert second.damage.finished
    assert (bag / NAME).stat().st_ino == inode


def test_a_flipped_bit_costs_its_chunk_only(recording: tuple[bytes, bytes, Flushed], tmp_path: Path) -> None:
    _, finished, flushed = recording
    data = bytearray(finished)
    data[finished.index(reading(9))] ^= 1
    recovered = recover(cut(tmp_path, bytes(data)))
    assert len(recovered.damage.chunks) == 1
    assert recovered.messages == 60 - (flushed[2][1] - flushed[1][1])


def test_a_topic_is_read_whose_type_stands_in_a_damaged_chunk(
    run: RunFolder, bags: EpisodeBags, source: Callable[[str], Source]
) -> None:
    """A type is written once, with the first topic that has it."""
    bags.session("resetting", 0, 1)
    for number, name in enumerate(("/first", "/second")):
        bags.write(source(name), reading(number), 2 + number, 3, 4)
        bags.flush(0)
    bags.finish()
    file = run.bags / "episode_000000" / NAME
    data = bytearray(file.read_bytes())
    data[data.index(reading(0))] ^= 1
    file.write_bytes(data)
    recovered = recover(file.parent)
    assert (recovered.messages, recovered.damage.missing, len(recovered.damage.chunks)) == (1, 1, 1)
    assert [topic.name for topic in describe(file).contents.topics] == ["/second"]


def test_a_tail_of_zeros_is_cut_off(recording: tuple[bytes, bytes, Flushed], tmp_path: Path) -> None:
    unfinished, _, flushed = recording
    recovered = recover(cut(tmp_path, unfinished + bytes(5000)))
    assert (recovered.messages, recovered.damage.lost_bytes) == (flushed[-1][1], 5000)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a single whole record"),
        (b"\x89MCAP0\r\n", "not a single whole"),
        (b"#ROSBAG V2.0", "not an MCAP"),
    ],
)
def test_what_cannot_be_recovered_stays(tmp_path: Path, data: bytes, said: str) -> None:
    bag = cut(tmp_path, data)
    with pytest.raises(DataError, match=said):
        recover(bag)
    assert [path.name for path in bag.iterdir()] == [NAME]
    assert (bag / NAME).read_bytes() == data


def test_a_place_that_holds_no_bag(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.mcap file"):
        recover(tmp_path)
    with pytest.raises(DataError, match=r"does not exist\. A bag is a folder"):
        recover(tmp_path / "nowhere")


def test_another_place_for_the_restored_bag(recording: tuple[bytes, bytes, Flushed], tmp_path: Path) -> None:
    unfinished, _, flushed = recording
    bag = cut(tmp_path, unfinished)
    assert recover(bag, tmp_path / "out").messages == flushed[-1][1]
    assert (bag / NAME).read_bytes() == unfinished
    with pytest.raises(DataError, match=r"exists\. Choose another --out"):
        recover(bag, tmp_path / "out")


def test_no_room_leaves_the_bag_as_it_was(recording: tuple[bytes, bytes, Flushed], tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: the kernel refuses the same call."""
    unfinished, _, _ = recording
    bag = cut(tmp_path, unfinished)
    done = subprocess.run(
        [sys.executable, "-m", "zprl_core.cli", "bag", "recover", str(bag)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
    )
    assert done.returncode == 2
    assert "the restored bag cannot be written: File too large" in done.stderr
    assert [path.name for path in bag.iterdir()] == [NAME]
    assert (bag / NAME).read_bytes() == unfinished


@pytest.mark.parametrize("limit", [0, 8, 40, 200, 300])
def test_a_bag_is_not_there_before_its_beginning_is(tmp_path: Path, limit: int) -> None:
    """Cut off among its first records by a limit on the size of files, and begun again later."""
    run, bags = bags_of(tmp_path)
    bags.session("done", 0, 2)
    bags.finish()
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            bags.session("resetting", 1, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert bags.folder == ""
    bags.abandon()
    assert bags_named([run.bags]) == [run.bags / "episode_000000"]
    bags.session("resetting", 1, 4)
    bags.abandon()
    assert recover(run.bags / "episode_000001").messages == 0
    assert sorted(path.name for path in run.bags.iterdir()) == ["episode_000000", "episode_000001"]


@pytest.fixture
def unlabelled(run: RunFolder, bags: EpisodeBags, source: Callable[[str], Source]) -> Path:
    """A bag that was cut off, whose episode is void by now."""
    bags.session("resetting", 0, 1)
    bags.write(source("/fast"), reading(1), 2, 3, 4)
    bags.flush(0)
    bags.abandon()
    append_record(run.episodes_file, outcome(0, "void", "fault"))
    return run.bags / "episode_000000"


def test_the_label_comes_from_the_run(unlabelled: Path) -> None:
    assert cli.main(["bag", "recover", str(unlabelled)]) == 0
    text = (unlabelled / "metadata.yaml").read_text()
    assert "outcome: void" in text
    assert "recovered: 'true'" in text


def test_elsewhere_too_the_label_is_that_of_the_run_and_a_bag_that_fails_is_not_the_last(
    run: RunFolder, unlabelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, out = unlabelled, run.path / "out"
    assert cli.main(["bag", "recover", str(bag), "--out", str(out)]) == 0
    assert "outcome: void" in (out / "metadata.yaml").read_text()
    empty = run.bags / "episode_000001"
    empty.mkdir()
    (run.bags / "superseded").mkdir()
    named = [str(each) for each in (empty, bag, run.bags / "superseded")]
    assert cli.main(["bag", "recover", *named]) == 1
    said = capsys.readouterr()
    assert "episode_000001: holds no .mcap file" in said.err and "episode_000000: 1 messages" in said.out
    assert "outcome: void" in (bag / "metadata.yaml").read_text()
    assert cli.main(["bag", "recover", named[-1]]) == 2
    assert "superseded: name the bags in there that are to be recovered" in capsys.readouterr().err
