"""A Robotiq 2F-85: its registers against the manual's worked example, and its driver at a pseudo-terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from tests.hardware.franka import wait_for
from tests.hardware.robotiq_2f85 import Fake2F85
from zprl_arms.grippers import robotiq
from zprl_arms.grippers.robotiq import Command, Object
from zprl_arms.grippers.serial_robotiq import SerialRobotiq
from zprl_arms.grippers.worker import GripperWorker
from zprl_core.config import GripperConfig
from zprl_core.errors import RigError

CONFIG = GripperConfig(kind="robotiq_2f85", max_width_m=0.085, speed_m_s=0.15, force_n=235.0)


@pytest.fixture
def fake() -> Iterator[Fake2F85]:
    gripper = Fake2F85()
    yield gripper
    gripper.close()


def serve(fake: Fake2F85) -> GripperWorker:
    worker = GripperWorker(SerialRobotiq(fake.port, CONFIG))
    worker.connect(enable=True)
    return worker


# Registers and frames


@pytest.mark.parametrize(
    ("command", "frame"),
    [
        (Command(activate=False), "09 10 03 e8 00 03 06 00 00 00 00 00 00 73 30"),
        (Command(activate=True), "09 10 03 e8 00 03 06 01 00 00 00 00 00 72 e1"),
        (Command(True, True, 255, 255, 255), "09 10 03 e8 00 03 06 09 00 00 ff ff ff 42 29"),
        (Command(True, True, 0, 255, 255), "09 10 03 e8 00 03 06 09 00 00 00 ff ff 72 19"),
    ],
)
def test_commands_are_the_manuals(command: Command, frame: str) -> None:
    assert robotiq.write_request(command).hex(" ") == frame


def test_questions_and_answers_are_the_manuals() -> None:
    assert robotiq.status_request().hex(" ") == "09 03 07 d0 00 03 04 0e"
    robotiq.check_write_answer(bytes.fromhex("09 10 03 e8 00 03 01 30"))
    opened = robotiq.status_answer(bytes.fromhex("09 03 06 f9 00 00 00 0d 00 56 4c"))
    assert (opened.ready, opened.going, opened.object, opened.position) == (
        True,
        True,
        Object.AT_POSITION,
        13,
    )


@pytest.mark.parametrize(
    ("registers", "expected"),
    [
        ("11 00 00 00 03 00", (True, False, False, Object.MOVING, "", 0.0)),
        ("39 00 00 ff 40 10", (True, True, True, Object.MOVING, "", 0.16)),
        ("b9 00 00 ff bd 00", (True, True, True, Object.WHILE_CLOSING, "", 0.0)),
        ("79 00 00 00 bd 00", (True, True, True, Object.WHILE_OPENING, "", 0.0)),
        ("39 00 0e ff 40 00", (True, True, True, Object.MOVING, "overcurrent", 0.0)),
        ("39 00 09 ff 40 00", (True, True, True, Object.MOVING, "", 0.0)),
        ("00 00 07 00 00 00", (False, False, False, Object.MOVING, "it is not activated", 0.0)),
    ],
)
def test_statuses_are_read(registers: str, expected: tuple[object, ...]) -> None:
    status = robotiq.decode(bytes.fromhex(registers))
    found = (status.activated, status.going, status.ready, status.object, status.complaint, status.current_a)
    assert found == expected


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        ("", "too short"),
        ("09 03 06 39 00 00 ff 40 10 00 00", "check sum"),
        ("09 83 02 41 33", "exception 2"),
        ("09 10 03 e8 00 03 01 30", "not slave 9's to function 3"),
        ("09 03 02 31 00 4c 15", "not 3 registers"),
    ],
)
def test_damaged_answers_are_refused(frame: str, problem: str) -> None:
    with pytest.raises(RigError, match=problem):
        robotiq.status_answer(bytes.fromhex(frame))


def test_widths_speeds_and_forces_become_counts() -> None:
    assert [robotiq.position_of(width) for width in (-1.0, 0.0, 0.085, 1.0)] == [230, 230, 3, 3]
    assert [robotiq.width_of(count) for count in (0, 3, 230, 255)] == [0.085, 0.085, 0.0, 0.0]
    for width in (0.01, 0.04, 0.08):
        assert robotiq.width_of(robotiq.position_of(width)) == pytest.approx(width, abs=2e-4)
    assert [robotiq.speed_of(speed) for speed in (0.01, 0.02, 0.085, 0.15, 1.0)] == [0, 0, 128, 255, 255]
    assert [robotiq.force_of(force) for force in (10.0, 20.0, 235.0, 500.0)] == [0, 0, 255, 255]


# At a port


def test_it_is_activated_once() -> None:
    cold = Fake2F85(activated=False)
    device = SerialRobotiq(cold.port, CONFIG)
    device.connect(enable=False)
    assert device.read().fault == ""
    device.close()
    began = time.monotonic()
    worker = serve(cold)
    assert time.monotonic() - began > 0.1
    worker.close()
    serve(cold).close()
    assert cold.activations == 1
    cold.close()


def test_the_newest_width_wins_and_nobody_waits(fake: Fake2F85) -> None:
    fake.delay_s = 0.05
    worker = serve(fake)
    for width in (0.01, 0.02, 0.03, 0.04):
        worker.command(width)
        worker.read()
    wait_for(lambda: abs(worker.read()[0] - 0.04) < 5e-4, 3.0, lambda: str(worker.read()))
    assert fake.requests[-1] == robotiq.position_of(0.04)
    assert len(fake.requests) <= 2, "who waited for answers would have made four"
    worker.close()


def test_an_object_stops_the_fingers(fake: Fake2F85) -> None:
    fake.obstacle = 120
    worker = serve(fake)
    worker.command(0.0)
    wait_for(lambda: worker.read()[0] < 0.045, 3.0, lambda: str(worker.read()))
    time.sleep(0.2)
    width, fault = worker.read()
    assert width == pytest.approx(robotiq.width_of(120))
    assert fault == ""
    worker.command(0.085)
    wait_for(lambda: worker.read()[0] > 0.084, 3.0, lambda: str(worker.read()))
    worker.close()


def test_a_fault_stays_until_a_person_clears_it(fake: Fake2F85) -> None:
    worker = serve(fake)
    fake.fault = 0x0E
    wait_for(
        lambda: worker.read()[1] == f"Robotiq 2F-85 at {fake.port}: overcurrent",
        2.0,
        lambda: str(worker.read()),
    )
    worker.clear_fault()
    worker.command(0.05)
    wait_for(lambda: abs(worker.read()[0] - 0.05) < 5e-4, 3.0, lambda: str(worker.read()))
    assert worker.read()[1] == ""
    worker.close()


def test_a_gripper_that_falls_silent_is_a_fault(fake: Fake2F85) -> None:
    worker = serve(fake)
    fake.answers = False
    wait_for(lambda: "does not answer" in worker.read()[1], 2.0, lambda: str(worker.read()))
    with pytest.raises(RigError, match=f"{fake.port}: does not answer"):
        worker.clear_fault()
    fake.answers = True
    worker.clear_fault()
    assert worker.read()[1] == ""
    worker.close()


def test_an_adapter_that_is_pulled_out_is_a_fault(fake: Fake2F85) -> None:
    worker = serve(fake)
    fake.unplug()
    wait_for(lambda: "does not answer" in worker.read()[1], 2.0, lambda: str(worker.read()))
    with pytest.raises(RigError, match=fake.port):
        worker.clear_fault()
    worker.close()


def test_a_gripper_that_never_answers_names_its_port(fake: Fake2F85) -> None:
    fake.answers = False
    with pytest.raises(RigError, match=rf"Robotiq 2F-85 at {fake.port}: does not answer.*24 V.*slave 9"):
        serve(fake)


def test_a_port_that_is_not_there_is_named() -> None:
    with pytest.raises(RigError, match=r"Robotiq 2F-85 at /dev/nothing: cannot open the port.*dialout"):
        SerialRobotiq("/dev/nothing", CONFIG).connect(enable=True)


def test_without_pyserial_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(RigError, match=r"pyserial.*extra 'real'"):
        SerialRobotiq("/dev/nothing", CONFIG).connect(enable=True)
