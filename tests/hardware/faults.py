"""What goes wrong at an arm, each as something that a test can do to a running graph, and what came of it.

The graph is the real one, with the vendor's SDK and a simulated control box; a stand-in plans the expert's
motion. An operator is simulated by commands to the session: nothing goes on by itself.
"""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from xarm.wrapper import XArmAPI
from zprl_interfaces.msg import ActionChunk

from tests.hardware.boxes import own_address
from tests.ros.harness import WATCHDOG_S, Graph, graph
from tests.ros.observer import Observer
from zprl_bringup import convert
from zprl_core.config import RigConfig, load_rig
from zprl_core.plan import Block
from zprl_sim.executor import encode
from zprl_sim.rig import Setpoint, downward
from zprl_sim.xarm_box.client import BoxClient, BoxTrace

STILL_M_S, STILL_S = 0.005, 0.3
STOOD_M = 0.02  # most that an arm goes whose bridge stands: to the last setpoint that got through
LOOK_S = 3.0  # longer than any fault may take
S = 1_000_000_000


@dataclass(frozen=True)
class Stage:
    """A running graph with everything that a fault may need."""

    graph: Graph
    eyes: Observer
    box: BoxClient
    address: str
    watchdog_s: float


@dataclass(frozen=True)
class Fault:
    """One way in which things go wrong.

    Attributes:
        name: for the table.
        strike: does it; returns when it happened, ns.
        said: part of what the operator must be told.
        mend: what somebody does before the session is cleared.
        within_s: latest that the arm may still move.
        within_m: farthest that it may go.
    """

    name: str
    strike: Callable[[Stage], int]
    said: str
    mend: Callable[[Stage], object] = lambda stage: None
    within_s: float = 2.5
    within_m: float = math.inf


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    Attributes:
        stop_s: from the fault until the tool was still (below 5 mm/s for 0.3 s).
        peak_m_s, travel_m: fastest and farthest that the tool went after the fault.
        inside: whether the tool stayed in the workspace.
        told: what the operator was told.
    """

    fault: str
    stop_s: float
    peak_m_s: float
    travel_m: float
    inside: bool
    told: str


def rig_at(address: str) -> RigConfig:
    """The Place Orange cell before a simulated box at this address."""
    rig = load_rig("xarm6_place_orange_sim")
    return replace(rig, arms=(replace(rig.arms[0], address=address),))


@contextlib.contextmanager
def stage(folder: Path, watchdog_s: float = WATCHDOG_S) -> Iterator[Stage]:
    """A graph that runs, with an operator's session."""
    address = own_address()
    blocks = (Block("base_c", "base_c", episodes=99),)
    rig = rig_at(address)
    with graph(folder, lockstep=False, blocks=blocks, rig=rig, watchdog_s=watchdog_s) as g:
        g.start_all(session={"operator": True})
        with Observer(g.domain, "arm") as eyes:
            g.wait(lambda: "everybody is there" in g.log("session"), 60, "the graph")
            with contextlib.closing(BoxClient(address)) as box:
                yield Stage(g, eyes, box, address, watchdog_s)


def run(stage: Stage, fault: Fault) -> Outcome:
    """Let the arm move, strike, watch it stop, mend, and see that it can go on."""
    wait_for_motion(stage)
    struck_ns = fault.strike(stage)
    time.sleep(LOOK_S)
    told = what_is_said(stage)
    outcome = measured(fault.name, stage.box.trace(struck_ns), struck_ns, told, rig_at(stage.address))
    fault.mend(stage)
    return outcome


def wait_for_motion(stage: Stage) -> None:
    """Do what the operator does until the arm moves: clear, start, wait for the way home."""

    def moves() -> bool:
        if stage.eyes.state in ("faulted", "stopped"):
            stage.eyes.command("clear")
        elif stage.eyes.state in ("idle", "labelled"):
            stage.eyes.command("start")
        return stage.eyes.state == "running" and speed(stage) > 0.3

    stage.graph.wait(moves, 60, "motion")


def speed(stage: Stage) -> float:
    """Fastest joint, rad/s."""
    return float(np.abs(convert.vector(stage.eyes.seen["arm"][-1].joint_velocity_rad_s)).max())


def what_is_said(stage: Stage) -> str:
    """The reason on the session's topic, or the arm's own."""
    fault = stage.eyes.seen["arm"][-1].fault
    return str(fault or stage.eyes.seen["session"][-1].reason)


def measured(name: str, trace: BoxTrace, struck_ns: int, told: str, rig: RigConfig) -> Outcome:
    """The numbers of a motion after a fault."""
    since_s = (trace.stamp_ns - struck_ns) * 1e-9
    still = trace.speed_m_s < STILL_M_S
    moving = np.nonzero(~still)[0]
    stop_s = float(since_s[moving[-1]]) if len(moving) else 0.0
    box = rig.arms[0].workspace
    inside = (trace.position_m >= box.min_m).all() and (trace.position_m <= box.max_m).all()
    travel = float(np.linalg.norm(np.diff(trace.position_m, axis=0), axis=1).sum())
    return Outcome(name, stop_s, float(trace.speed_m_s.max()), travel, bool(inside), told)


def _box(**what: object) -> Callable[[Stage], int]:
    return lambda stage: stage.box.inject(**what)  # type: ignore[arg-type]


def _signal(name: str, number: signal.Signals) -> Callable[[Stage], int]:
    def strike(stage: Stage) -> int:
        stage.graph.processes[name].send_signal(number)
        return time.time_ns()

    return strike


def _freeze(name: str, stand_s: Callable[[Stage], float]) -> Callable[[Stage], int]:
    """A process stands for a time and then goes on as if nothing had been."""

    def strike(stage: Stage) -> int:
        struck_ns = _signal(name, signal.SIGSTOP)(stage)
        time.sleep(stand_s(stage))
        _signal(name, signal.SIGCONT)(stage)
        return struck_ns

    return strike


def _chunk(change: Callable[[ActionChunk], None]) -> Callable[[Stage], int]:
    """A chunk that holds the arm where it is, changed into a bad one."""

    def strike(stage: Stage) -> int:
        state, session = stage.eyes.seen["arm"][-1], stage.eyes.seen["session"][-1]
        position, _ = convert.pose_arrays(state.setpoint_base_tcp)
        still = encode(Setpoint(position, downward(0.0), float(state.setpoint_width_m)))
        now_ns = time.time_ns()
        chunk = ActionChunk(
            header=convert.header(now_ns + S // 30, state.header.frame_id),
            run_id=session.run_id,
            episode=session.episode,
            chunk=99,
            source="policy",
            dt_s=1 / 30,
            dim=len(still),
            actions=convert.doubles(np.tile(still, (16, 1))),
        )
        change(chunk)
        stage.eyes.send_chunk(chunk)
        return time.time_ns()

    return strike


def _nan(chunk: ActionChunk) -> None:
    chunk.actions[3] = float("nan")


def _jump(chunk: ActionChunk) -> None:
    for row in range(16):
        chunk.actions[row * chunk.dim + 2] += 0.3


def _past(chunk: ActionChunk) -> None:
    chunk.header = convert.header(convert.stamp_ns(chunk) - 2 * S, chunk.header.frame_id)


def _misaddressed(chunk: ActionChunk) -> None:
    chunk.header.frame_id = "other_base"


def _second_master(stage: Stage) -> int:
    """Somebody else takes the box, as UFACTORY's own web page could."""
    other = XArmAPI(stage.address)
    now_ns = time.time_ns()
    other.set_mode(0)
    other.set_state(0)
    other.disconnect()
    return now_ns


def _late(stage: Stage) -> int:
    return stage.box.inject(reply_delay_s=stage.watchdog_s + 0.3)


def _in_time(stage: Stage) -> object:
    return stage.box.inject(reply_delay_s=0.0)


def _estop(stage: Stage) -> int:
    now_ns = time.time_ns()
    stage.eyes.stop_arm()
    return now_ns


FAULTS = (
    Fault("controller error C31 in mid-chunk", _box(error=31), "C31"),
    Fault("connection to the box cut", _box(cut=True), "connection"),
    Fault("replies 0.3 s later than the watchdog's time", _late, "", _in_time),
    Fault("reports stop", _box(freeze_reports=True), "report", lambda s: s.box.inject(freeze_reports=False)),
    Fault(
        "camera frozen (its process stands)",
        _signal("camera", signal.SIGSTOP),
        "watchdog",
        _signal("camera", signal.SIGCONT),
    ),
    Fault(
        "camera gone (its process is killed)",
        _signal("camera", signal.SIGKILL),
        "watchdog",
        lambda s: s.graph.start("camera"),
    ),
    Fault("chunk with NaN", _chunk(_nan), "finite"),
    Fault("chunk 30 cm away", _chunk(_jump), "away"),
    Fault("chunk from the past", _chunk(_past), "old"),
    Fault("chunk for another arm", _chunk(_misaddressed), "for another arm"),
    Fault("a second master on the box", _second_master, ""),
    Fault("stop service in mid-motion", _estop, "stopped by the service"),
    Fault(
        "bridge stands for 0.1 s longer than the watchdog's time, then goes on",
        _freeze("bridge", lambda s: s.watchdog_s + 0.1),
        "",
        within_s=0.5,
        within_m=STOOD_M,
    ),
    Fault(
        "bridge stands for 2 s, then goes on",
        _freeze("bridge", lambda s: 2.0),
        "",
        within_s=0.5,
        within_m=STOOD_M,
    ),
    Fault("policy stands", _signal("policy", signal.SIGSTOP), "watchdog", _signal("policy", signal.SIGCONT)),
    Fault(
        "session stands",
        _signal("session", signal.SIGSTOP),
        "no sign of life",
        _signal("session", signal.SIGCONT),
    ),
    Fault("policy killed", _signal("policy", signal.SIGKILL), "watchdog", lambda s: s.graph.start_policy()),
)
LAST = (
    Fault("session killed", _signal("session", signal.SIGKILL), "no sign of life"),
    Fault("bridge killed", _signal("bridge", signal.SIGKILL), ""),
)
"""After these a graph is over."""
