"""A bridge that stood still, and a system clock that was set, in the middle of a chunk."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_arms.clocks import Clocks
from zprl_arms.controller import ArmController
from zprl_arms.realtime import RealTime
from zprl_arms.timing import Timing
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import load_rig, load_task
from zprl_core.safety import ChunkCommand
from zprl_core.trajectory import Setpoint

RIG, TASK = load_rig("sim_xarm6"), load_task("place_orange_demo")
ARM = replace(RIG.arms[0], watchdog_s=0.2)
H, S, DT_S = TASK.action.chunk, 1_000_000_000, 1 / TASK.rate_hz
HOME = Setpoint(np.array([0.36, 0.02, 0.19]), np.array([0.0, 1.0, 0.0, 0.0]), 0.088)
STEADY_NS = 77 * S
MOST_S = 0.2
M_S = 0.24


def chunk(index: int, stamp_ns: int, y_m: float) -> ChunkCommand:
    """A straight chunk along y at 0.24 m/s that goes on from there."""
    position = np.tile(HOME.position, (H, 1))
    position[:, 1] = y_m + M_S * DT_S * np.arange(1, H + 1)
    waypoints = ArmWaypoints(position, np.tile(HOME.quaternion, (H, 1)), np.full(H, 0.088))
    actions = ActionCodec.from_config(TASK.action).encode([waypoints])
    return ChunkCommand("run", 0, index, stamp_ns, DT_S, actions.shape[1], actions)


class Bench:
    """An arm that is no simulated one, its servo loop, and two clocks."""

    def __init__(self) -> None:
        self.sent: list[Setpoint] = []
        self.controller = ArmController(ARM, TASK, "run", HOME)
        self.loop = RealTime(self, self.controller, Timing.of(TASK, ARM), self, most_gap_s=MOST_S)  # type: ignore[arg-type]
        self._n = self.loop.grid.index(1_700_000_000 * S)
        self._steady_ns = STEADY_NS
        self.controller.on_session("running", 0, self.now_ns, HOME)
        self.serve(1)
        assert self.controller.command(chunk(0, self.now_ns, float(HOME.position[1])), self.now_ns)

    @property
    def now_ns(self) -> int:
        return self.loop.grid.at(self._n)

    def stream(self, setpoint: Setpoint, joints: object, begun_s: float) -> None:
        assert begun_s * S == pytest.approx(self._steady_ns)
        self.sent.append(setpoint)

    def on_servo(self, n: int, stamp_ns: int) -> None:
        pass

    def skip(self, system_s: float, steady_s: float) -> None:
        """Time goes by without a servo period."""
        self._n += round(system_s * ARM.servo_rate_hz)
        self._steady_ns += round(steady_s * S)

    def serve(self, periods: int) -> list[str]:
        """Servo periods as the bridge serves them; what was said about the clocks."""
        said = []
        for _ in range(periods):
            said.append(self.loop.look(self.now_ns, self._steady_ns))
            self.loop.run_to(self._n)
            self.skip(1 / ARM.servo_rate_hz, 1 / ARM.servo_rate_hz)
        return [text for text in said if text]

    def way(self, periods: int) -> tuple[float, float]:
        """Highest speed, m/s, and way, m, of the setpoints sent in the coming periods."""
        first = len(self.sent) - 1
        self.serve(periods)
        points = np.array([setpoint.position for setpoint in self.sent[first:]])
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        return float(steps.max() * ARM.servo_rate_hz), float(steps.sum())


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    assert made.serve(40) == []
    return made


@pytest.mark.parametrize("stood_s", [0.3, 2.0, 60.0])
def test_after_the_bridge_stood_still_the_arm_stays_where_it_stands(bench: Bench, stood_s: float) -> None:
    bench.skip(stood_s, stood_s)
    sent = len(bench.sent)
    bench.serve(200)
    assert len(bench.sent) == sent, "where the arm stands is not known to a setpoint"
    assert bench.controller.fault.startswith(
        f"the bridge stood still for {stood_s + 1 / 120:.2f} s, allowed 0.2 s"
    )
    assert bench.controller.at_rest
    assert not bench.controller.command(chunk(1, bench.now_ns, 0.1), bench.now_ns)


def test_a_chunk_that_comes_first_after_the_standstill_is_dropped_too(bench: Bench) -> None:
    bench.skip(0.3, 0.3)
    y_m, sent = float(bench.sent[-1].position[1]), len(bench.sent)
    assert bench.controller.command(chunk(1, bench.now_ns, y_m), bench.now_ns)
    bench.serve(200)
    assert len(bench.sent) == sent


@pytest.mark.parametrize("set_s", [0.4, 3600.0, -0.4, -3600.0])
def test_when_the_clock_is_set_the_arm_brakes_from_where_it_is(bench: Bench, set_s: float) -> None:
    bench.skip(set_s, 0.0)
    speed_m_s, way_m = bench.way(60)
    assert speed_m_s <= 1.001 * M_S and 0.0 < way_m < 0.04
    way = "ahead" if set_s > 0 else "back"
    assert bench.controller.fault.startswith(
        f"the system clock was set {way} by {abs(set_s):.2f} s, allowed 0.2"
    )
    assert bench.way(120) == (0.0, 0.0), "also not when a clock that was set back is there again"


def test_a_hiccup_within_the_watchdogs_time_is_caught_up_inside_the_limits(bench: Bench) -> None:
    y_m, rest_m = float(bench.sent[-1].position[1]), M_S * (H * DT_S - 41 / ARM.servo_rate_hz)
    bench.skip(0.15, 0.15)
    speed_m_s, _ = bench.way(12)
    assert bench.controller.fault == "" and speed_m_s <= ARM.limits.linear_velocity_m_s
    bench.serve(20)
    assert float(bench.sent[-1].position[1]) > y_m + 0.8 * min(rest_m, M_S * 0.4)


def test_an_arm_that_may_not_move_is_not_stopped_for_it() -> None:
    bench = Bench()
    bench.serve(30)
    bench.controller.on_session("paused", 0, bench.now_ns, bench.sent[-1])
    bench.serve(120)
    bench.skip(5.0, 5.0)
    assert len(bench.serve(1)) == 1 and bench.controller.fault == ""


def test_a_person_clears_the_stop_and_the_arm_goes_on(bench: Bench) -> None:
    bench.skip(2.0, 2.0)
    bench.serve(5)
    for state, cleared in (("faulted", False), ("idle", True), ("running", False)):
        bench.controller.on_session(state, 0, bench.now_ns, bench.sent[-1], cleared=cleared)
    y_m = float(bench.sent[-1].position[1])
    assert bench.controller.command(chunk(1, bench.now_ns, y_m), bench.now_ns)
    assert bench.way(60)[1] > 0.05 and bench.controller.fault == ""


@given(st.lists(st.tuples(st.integers(0, 10 * S), st.integers(-20 * S, 20 * S)), max_size=20))
def test_every_gap_is_named_and_no_other(steps: list[tuple[int, int]]) -> None:
    clocks, now = Clocks(MOST_S), [(0, 0)]
    for stood_ns, set_ns in steps:
        now.append((now[-1][0] + stood_ns + set_ns, now[-1][1] + stood_ns))
    found = [clocks.look(*at) for at in now]
    assert found[0] is None
    for gap, (stood_ns, set_ns) in itertools.zip_longest(found[1:], steps):
        assert (gap is not None) == (stood_ns > MOST_S * S or abs(set_ns) > MOST_S * S)
        assert gap is None or gap.stood == (stood_ns > MOST_S * S)
