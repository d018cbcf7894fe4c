"""A RealSense that hangs, on librealsense itself, is reset and waited for; a clock is set by hand."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.cameras.devices import config
from zprl_cameras.drivers.files import FilesCamera
from zprl_cameras.drivers.realsense import RealSenseCamera
from zprl_cameras.resets import Resets

rs = pytest.importorskip("pyrealsense2", exc_type=ImportError)

from tests.cameras.software_realsense import SERIAL, Bus, Device  # noqa: E402

FIRST = "camera wrist still hangs after 2 attempts to open it again; resetting its hardware"


class Cell:
    """A camera, and time: what was reset is off the bus from `leaves_s` until `returns_s` after its reset."""

    def __init__(self, leaves_s: float = 1.0, returns_s: float = 4.0) -> None:
        self.bus, self.lines, self.now_s, self.ends = Bus(), list[str](), 0.0, False
        self.device, self._away_s = Device(self.bus), (leaves_s, returns_s)
        given = config("realsense", rate_hz=30.0, device=SERIAL)
        camera = RealSenseCamera(given, lambda: 0, rs, self.bus)
        self.resets = Resets("wrist", camera, self.wait, self.lines.append, lambda: self.now_s)
        self._resets, self._reset_s = 0, 0.0

    def wait(self, seconds: float) -> bool:
        if self.ends:
            return True
        if len(self.bus.resets) > self._resets:
            self._resets, self._reset_s = len(self.bus.resets), self.now_s
        self.now_s += seconds
        leaves_s, returns_s = self._away_s
        self.bus.pulled = bool(self.bus.resets) and leaves_s <= self.now_s - self._reset_s < returns_s
        return False

    def hang(self, times: int) -> None:
        """It delivers nothing for 5 s each time, and half a second later it is open again."""
        for _ in range(times):
            self.wait(5.0)
            self.resets.hangs()
            self.wait(0.5)


@pytest.fixture(autouse=True)
def devices_let_go() -> Iterator[None]:
    yield
    gc.collect()


def test_it_is_reset_once_after_two_attempts_in_vain_and_awaited() -> None:
    cell = Cell()
    cell.hang(2)
    assert not cell.bus.resets and not cell.lines
    cell.wait(5.0)
    before_s = cell.now_s
    cell.resets.hangs()
    assert cell.bus.resets == [SERIAL]
    assert cell.lines == [FIRST, "camera wrist is listed again 4.0 s after its reset; trying to open it"]
    assert cell.now_s - before_s == 5.0  # it is there for a second before it is opened
    cell.hang(10)
    assert cell.bus.resets == [SERIAL] and len(cell.lines) == 2
    cell.resets.frame()
    cell.hang(3)
    assert cell.bus.resets == [SERIAL, SERIAL]


def test_one_that_hangs_on_is_reset_again_after_five_minutes() -> None:
    cell = Cell()
    cell.hang(3)
    cell.hang(50)  # 275 s
    assert len(cell.bus.resets) == 1
    cell.hang(5)
    assert len(cell.bus.resets) == 2


@pytest.mark.parametrize(
    ("leaves_s", "returns_s", "waits_s", "said"),
    [
        (99.0, 99.0, 8.0, "camera wrist is listed 8.0 s after its reset; trying to open it"),
        (1.0, 99.0, 20.0, "camera wrist is not listed 20.0 s after its reset; trying to open it"),
    ],
)
def test_the_wait_is_bounded(leaves_s: float, returns_s: float, waits_s: float, said: str) -> None:
    cell = Cell(leaves_s, returns_s)
    cell.hang(2)
    before_s = cell.now_s
    cell.resets.hangs()
    assert cell.now_s - before_s == waits_s + 1.0
    assert cell.lines == [FIRST, said]


def test_the_end_of_the_process_ends_the_wait() -> None:
    cell = Cell()
    cell.hang(2)
    cell.ends = True
    before_s = cell.now_s
    cell.resets.hangs()
    assert cell.bus.resets == [SERIAL] and cell.now_s == before_s and cell.lines == [FIRST]


def test_a_reset_that_fails_is_told_and_not_waited_for() -> None:
    cell = Cell()
    cell.bus.resettable = False
    cell.hang(2)
    before_s = cell.now_s
    cell.resets.hangs()
    assert cell.now_s == before_s
    failed = f"camera wrist was not reset. camera 'wrist': RealSense {SERIAL} takes no reset (hardware_reset "
    assert cell.lines[1].startswith(failed)


def test_one_that_is_unplugged_or_cannot_be_looked_for_is_not_reset() -> None:
    cell = Cell()
    cell.bus.unlistable = "udev is gone"
    cell.hang(5)
    cell.bus.unlistable = ""
    cell.hang(2)
    cell.bus.absent = {SERIAL}
    cell.hang(5)
    cell.bus.absent = set()
    cell.hang(2)
    assert not cell.bus.resets and not cell.lines


def test_a_camera_that_cannot_be_reset_is_left_alone() -> None:
    lines: list[str] = []
    camera = FilesCamera(config("files", "x"), lambda: 0)
    resets = Resets("wrist", camera, lambda _: False, lines.append, lambda: 0.0)
    for _ in range(5):
        resets.hangs()
    assert not lines
