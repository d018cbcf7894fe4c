"""What stands in for the devices of a simulated cell: controllers, serial grippers, pictures."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from zprl_arms.grippers.serial_robotiq import SerialRobotiq
from zprl_arms.grippers.worker import GripperWorker
from zprl_core.config import RigConfig, load_rig
from zprl_core.config.arm import GripperConfig
from zprl_core.errors import RigError
from zprl_sim import pictures, stand_ins
from zprl_sim.serial_gripper import SerialGripper, crc16, is_there
from zprl_sim.stand_ins import controller_of
from zprl_sim.xarm_box.models import find_model

RIG = load_rig("dual_open_box_sim")
CONFIG = GripperConfig(kind="robotiq_2f85", max_width_m=0.085, speed_m_s=0.15)
FCI_PORT, PATIENCE_S = 1337, 5.0


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(stand_ins.FRANKA_FOLDER, str(tmp_path))
    return tmp_path


@pytest.fixture
def port(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "cell/gripper")
    with contextlib.closing(SerialGripper(path, CONFIG.max_width_m)):
        yield path


def test_without_a_simulator_the_command_that_installs_it_is_named(nothing_installed: Path) -> None:
    assert RIG.simulation is not None
    said = rf"arm 'left': no simulated Franka .* at 127\.0\.0\.21.*{nothing_installed}.*franka_simulators\.sh"
    with pytest.raises(RigError, match=said):
        controller_of(RIG.arms[0], RIG.simulation)


def test_a_controller_that_runs_is_used_whether_or_not_one_could_be_started(nothing_installed: Path) -> None:
    assert RIG.simulation is not None
    arm = replace(RIG.arms[0], address="127.0.77.1")
    with socket.create_server(("127.0.77.1", FCI_PORT)):
        assert controller_of(arm, RIG.simulation).answers()
    with pytest.raises(RigError, match="no simulated Franka controller"):
        controller_of(arm, RIG.simulation)


def test_an_arm_without_a_controller_has_no_stand_in() -> None:
    sim = load_rig("sim_xarm6")
    assert sim.simulation is not None
    with pytest.raises(RigError, match=r"arm 'arm': driver sim.*allowed: xarm, franka"):
        controller_of(sim.arms[0], sim.simulation)


def test_an_xarms_box_has_the_scene_and_the_gripper_of_its_rig() -> None:
    rig = load_rig("xarm6_place_orange_sim")
    assert rig.simulation is not None
    command = " ".join(controller_of(rig.arms[0], rig.simulation).command)
    assert command.endswith(
        "sim-xarm --address 127.0.0.2 --model xarm6 --scene place_orange --gripper robotiq_2f85"
    )
    named = replace(rig.arms[0], serial="XI130400S00002")
    assert controller_of(named, rig.simulation).command[-2:] == ("--serial", "XI130400S00002")


def test_a_box_tells_the_serial_number_that_it_is_given() -> None:
    model = find_model("xarm6").with_serial("XI130400S00002")
    assert "XI130400S00002,AC130400S00001" in model.version
    for bad in ("", "X1", "XI13x400S1", "XI130400,S1"):
        with pytest.raises(RigError, match="allowed: two capital letters, four digits"):
            model.with_serial(bad)


def test_the_checksum_is_that_of_robotiqs_manual() -> None:
    assert crc16(bytes.fromhex("09 03 07 d0 00 03")) == bytes.fromhex("04 0e")


def test_the_driver_of_the_gripper_moves_it(port: str) -> None:
    worker = GripperWorker(SerialRobotiq(port, CONFIG))
    worker.connect(enable=True)
    try:
        for wanted in (0.02, 0.07):
            worker.command(wanted)
            end_s = time.monotonic() + PATIENCE_S
            while abs((worker.read()[0] or 0.0) - wanted) > 0.002:
                assert time.monotonic() < end_s, worker.read()
                time.sleep(0.01)
        assert worker.read()[1] == ""
    finally:
        worker.close()


def test_a_port_is_taken_once_and_free_again(tmp_path: Path, port: str) -> None:
    assert is_there(port)
    with pytest.raises(RigError, match=r"gripper\.port: .*gripper: no simulated gripper can be put there"):
        SerialGripper(port, CONFIG.max_width_m)
    left_behind = tmp_path / "left_behind"
    left_behind.symlink_to("/dev/pts/none")
    assert not is_there(str(left_behind))
    SerialGripper(str(left_behind), CONFIG.max_width_m).close()
    assert not left_behind.is_symlink()


def _cell(folder: Path) -> RigConfig:
    return replace(RIG, cameras=tuple(replace(c, device=str(folder / c.name)) for c in RIG.cameras))


def test_pictures_are_made_where_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "left_wrist").mkdir()
    made = pictures.provide(_cell(tmp_path))
    assert made == [tmp_path / "third_view", tmp_path / "right_wrist"]
    assert list((tmp_path / "left_wrist").iterdir()) == []
    first = sorted(made[0].iterdir())
    picture = cv2.imread(str(first[0]))
    assert picture is not None
    assert picture.shape == (480, 640, 3)
    assert len({file.read_bytes() for folder in made for file in folder.iterdir()}) == 2 * len(first)
    assert pictures.provide(_cell(tmp_path)) == []


def test_a_real_cell_gets_no_pictures(tmp_path: Path) -> None:
    assert pictures.provide(replace(_cell(tmp_path), simulation=None)) == []
