"""Which process stands in for the controller of an arm, and whether one is there. No ROS."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from zprl_core.config import ArmConfig
from zprl_core.config.rig import SimulationConfig
from zprl_core.errors import RigError
from zprl_sim.xarm_box.client import BoxClient

FRANKA_FOLDER = "ZPRL_FRANKA_SIM"
"""Environment variable: the folder that scripts/franka_simulators.sh made."""
_FCI_PORT = 1337
_FRANKA_SIM = """
import sys
from franka_sim import FrankaSimServer
FrankaSimServer(host=sys.argv[1], enforce_motion_limits=True, enforce_comm_constraints=False).start()
"""


class StandIn(NamedTuple):
    """A simulated controller.

    Attributes:
        address: where it listens.
        command: what starts it there.
        environment: variables that it needs beside this process's.
        answers: whether one is there.
        urgent: whether it should come before everything else on this machine: it has a cycle of 1 ms, and a
            real one has a computer of its own.
    """

    address: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    answers: Callable[[], bool]
    urgent: bool = False


def controller_of(arm: ArmConfig, simulation: SimulationConfig) -> StandIn:
    """The stand-in for an arm's controller.

    Raises:
        RigError: the arm has none.
    """
    if arm.driver not in _MAKERS or arm.address is None:
        known = ", ".join(_MAKERS)
        raise RigError(f"arm '{arm.name}': driver {arm.driver} has no simulated controller, allowed: {known}")
    return _MAKERS[arm.driver](arm, arm.address, simulation)


def franka_folder() -> Path:
    """Where the Franka simulators are looked for: as the environment says, or at the repository's root."""
    given = os.environ.get(FRANKA_FOLDER)
    return Path(given) if given else Path(__file__).resolve().parents[4] / ".venv-franka-sim"


def _xarm(arm: ArmConfig, address: str, simulation: SimulationConfig) -> StandIn:
    command = [sys.executable, "-m", "zprl_core.cli", "sim-xarm", "--address", address]
    command += ["--model", arm.model, "--scene", simulation.scene]
    if arm.gripper is not None:
        command += ["--gripper", arm.gripper.kind]
    if arm.serial is not None:
        command += ["--serial", arm.serial]
    return StandIn(address, tuple(command), {}, lambda: _box_answers(address))


def _franka(arm: ArmConfig, address: str, simulation: SimulationConfig) -> StandIn:
    folder = franka_folder()
    python = folder / "franka-sim/bin/python"
    if not python.is_file() and not _listens(address):
        raise RigError(
            f"arm '{arm.name}': no simulated Franka controller at {address}, and no simulator in {folder}; "
            "run scripts/franka_simulators.sh at the repository's root, which installs it, or set "
            f"{FRANKA_FOLDER} to the folder that it made elsewhere"
        )
    environment = {"FR3_MJCF": str(folder / "fr3/fr3.xml")}
    command = (str(python), "-c", _FRANKA_SIM, address)
    return StandIn(address, command, environment, lambda: _listens(address), urgent=True)


_MAKERS: dict[str, Callable[[ArmConfig, str, SimulationConfig], StandIn]] = {
    "xarm": _xarm,
    "franka": _franka,
}


def _box_answers(address: str) -> bool:
    try:
        BoxClient(address).close()
    except RigError:
        return False
    return True


def _listens(address: str) -> bool:
    """Whether somebody has FCI's port. It is not called: a controller has one client, the driver."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, _FCI_PORT))
        except OSError:
            return True
    return False
