"""What an arm's bridge decides, on hand-written chunks and times."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from zprl_arms.controller import ArmController, Report
from zprl_arms.driver import ArmReading
from zprl_arms.drivers.sim import SimArm
from zprl_arms.limits import safety_limits
from zprl_arms.posture import Posture
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import load_rig, load_task
from zprl_core.safety import ChunkCommand
from zprl_core.trajectory import Setpoint

RIG, TASK = load_rig("sim_xarm6"), load_task("place_orange_demo")
ARM = replace(RIG.arms[0], limits=replace(RIG.arms[0].limits, linear_acceleration_m_s2=12.0))
H = TASK.action.chunk
DT_S = 1 / 30
SERVO_S = 1 / 120
S = 1_000_000_000
CODEC = ActionCodec.from_config(TASK.action)
HOME = Setpoint(np.array([0.36, 0.02, 0.19]), np.array([0.0, 1.0, 0.0, 0.0]), 0.088)


def chunk(
    index: int = 0,
    *,
    stamp_ns: int = S,
    step_m: float = 0.002,
    begin_m: float = 0.0,
    run: str = "run",
    episode: int = 0,
    source: str = "policy",
) -> ChunkCommand:
    """A straight chunk along y that starts `begin_m` from home."""
    y = HOME.position[1] + begin_m + step_m * np.arange(1, H + 1)
    position = np.tile(HOME.position, (H, 1))
    position[:, 1] = y
    actions = CODEC.encode([ArmWaypoints(position, np.tile(HOME.quaternion, (H, 1)), np.full(H, 0.088))])
    return ChunkCommand(run, episode, index, stamp_ns, DT_S, actions.shape[1], actions, source)


@pytest.fixture
def controller() -> ArmController:
    made = ArmController(ARM, TASK, "run", HOME)
    made.on_session("running", 0, S, HOME)
    return made


def serve(controller: ArmController, start_ns: int, seconds: float) -> list[Setpoint]:
    """Servo periods from a time on."""
    periods = round(seconds / SERVO_S)
    return [controller.setpoint(start_ns + round((i + 1) * SERVO_S * S), SERVO_S) for i in range(periods)]


def reading(fault: str = "") -> ArmReading:
    """The arm measured at home."""
    return ArmReading(np.zeros(6), np.zeros(6), HOME.pose, HOME.gripper_width, fault)


def only(reports: list[Report]) -> Report:
    (report,) = reports
    return report


def test_a_chunk_is_executed_as_commanded_and_reported(controller: ArmController) -> None:
    command = chunk()
    assert controller.command(command, S)
    sent = serve(controller, S, H * DT_S)
    assert controller.owner == "policy" and controller.fault == ""
    report = only(controller.reports(S + round(H * DT_S * S)))
    assert not report.refused and report.reason == "" and report.executed.shape == (H, 7)
    np.testing.assert_allclose(report.executed, command.actions, atol=2e-3)
    np.testing.assert_allclose(sent[-1].position[1], HOME.position[1] + 0.002 * H, atol=1e-6)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (chunk(run="other"), "run 'other'"),
        (chunk(episode=3), "episode 3"),
        (chunk(stamp_ns=S - 2 * S), "old"),
        (chunk(begin_m=0.3), "0.3"),
        (ChunkCommand("run", 0, 0, S, DT_S, 7, np.full((H, 7), np.nan)), "finite"),
        (ChunkCommand("run", 0, 0, S, DT_S, 6, np.zeros((H, 6))), "this arm takes 7"),
        (ChunkCommand("run", 0, 0, S, 0.0, 7, chunk().actions), "dt_s"),
    ],
)
def test_what_is_refused(controller: ArmController, command: ChunkCommand, reason: str) -> None:
    before = controller.setpoint(S, SERVO_S)
    assert not controller.command(command, S)
    report = only(controller.reports(S))
    assert report.refused and reason in report.reason and report.executed.shape == (0, 7)
    after = serve(controller, S, 1.0)[-1]
    np.testing.assert_array_equal(before.position, after.position)


def test_nothing_moves_unless_the_session_runs(controller: ArmController) -> None:
    for state in (
        "idle",
        "resetting",
        "ready",
        "judging",
        "labelled",
        "paused",
        "stopped",
        "faulted",
        "done",
    ):
        controller.on_session(state, 0, S, HOME)
        assert controller.owner == "stop"
        assert not controller.command(chunk(), S)
        assert state in only(controller.reports(S)).reason


def test_the_watchdog_slows_down_holds_and_stays_until_the_reset(controller: ArmController) -> None:
    assert controller.command(chunk(step_m=0.005), S)
    serve(controller, S, H * DT_S)
    end_ns = S + round(H * DT_S * S)
    after = np.array([s.position[1] for s in serve(controller, end_ns, 0.5)])
    speed = np.abs(np.diff(after)) / SERVO_S
    assert speed[0] > 0.05 and speed[-1] == 0.0
    assert after[-1] - HOME.position[1] - H * 0.005 == pytest.approx(0.15**2 / (2 * 6.0), rel=1e-6)
    assert (np.diff(speed) < 1e-9).all() and np.abs(np.diff(speed)).max() / SERVO_S < 1.05 * 6.0
    assert "watchdog: no valid chunk for 0.2 s" in controller.fault and controller.owner == "stop"
    assert not controller.command(chunk(1, stamp_ns=end_ns + S), end_ns + S)
    assert "holding until it is cleared" in controller.reports(end_ns + S)[0].reason
    controller.reset(HOME)
    assert controller.fault == "" and controller.owner == "none"


def test_a_refused_chunk_is_named_by_the_watchdog(controller: ArmController) -> None:
    controller.command(chunk(), S)
    serve(controller, S, 0.3)
    controller.command(chunk(1, begin_m=0.4, stamp_ns=S + round(H * DT_S * S)), S + round(0.3 * S))
    serve(controller, S + round(0.3 * S), 1.0)
    assert "the last one refused was chunk 0/1" in controller.fault


@pytest.mark.parametrize(("delay_s", "trips"), [(0.1, False), (0.0, True)])
def test_an_arm_that_is_known_to_be_late_is_compared_with_what_was_due(delay_s: float, trips: bool) -> None:
    """0.3 m/s, 0.1 s late: 30 mm behind the newest setpoint."""
    limits = replace(ARM.limits, tracking_m=0.02)
    made = ArmController(replace(ARM, delay_s=delay_s, limits=limits), TASK, "run", HOME)
    made.on_session("running", 0, S, HOME)
    assert made.command(chunk(step_m=0.01), S)
    sent, late = [HOME] * 12, 12  # servo periods in 0.1 s
    for n in range(1, 48):
        t_ns = S + round(n * SERVO_S * S)
        sent.append(made.setpoint(t_ns, SERVO_S))
        where = sent[-1 - late]
        made.on_reading(reading()._replace(pose_base_tcp=where.pose, stamp_ns=t_ns), t_ns)
    assert bool(made.fault) == trips and ("where it was told to be" in made.fault) == trips


def test_after_a_restart_the_arm_is_compared_with_where_it_was_measured(controller: ArmController) -> None:
    """Pushed 0.2 m away during a pause."""
    serve(controller, S, 0.2)
    moved = Setpoint(HOME.position + np.array([0.0, 0.2, 0.0]), HOME.quaternion, HOME.gripper_width)
    controller.on_session("paused", 0, S + S // 2, HOME)
    serve(controller, S + S // 2, 0.1)
    controller.on_session("running", 0, 2 * S, moved)
    controller.on_reading(reading()._replace(pose_base_tcp=moved.pose, stamp_ns=2 * S), 2 * S)
    assert controller.fault == ""


def test_a_chunk_is_judged_by_where_it_takes_over(controller: ArmController) -> None:
    """0.16 m of way in a chunk; the next one is sent when hardly any of it is done."""
    assert controller.command(chunk(step_m=0.01), S)
    serve(controller, S, 0.1)
    end_ns = S + round(H * DT_S * S)
    assert controller.command(chunk(1, begin_m=0.01 * H, stamp_ns=end_ns), S + round(0.1 * S))
    assert not controller.command(chunk(1, begin_m=0.0, stamp_ns=end_ns), S + round(0.1 * S))


def test_a_person_comes_before_the_policy(controller: ArmController) -> None:
    assert controller.command(chunk(source="human"), S)
    serve(controller, S, 0.1)
    assert controller.owner == "human"
    assert not controller.command(chunk(1), S + round(0.1 * S))
    assert not controller.command(chunk(2, source="somebody"), S + round(0.1 * S))
    assert "somebody" in only(controller.reports(S + round(0.1 * S))).reason


@pytest.mark.parametrize(("state", "cut_by"), [("labelled", "label"), ("paused", ""), ("stopped", "")])
def test_a_chunk_that_a_label_cuts_short_is_told_from_one_that_something_else_does(
    controller: ArmController, state: str, cut_by: str
) -> None:
    """The label says what that chunk led to; what a pause cut short led to nothing that was planned."""
    assert controller.command(chunk(), S)
    serve(controller, S, 0.2)
    controller.on_session(state, 0, S + S // 5, HOME)
    report = only(controller.reports(S + S // 5))
    assert (report.reason, report.cut_by) == (f"the session is {state}", cut_by)


def test_a_chunk_in_which_a_person_took_the_arm_says_so(controller: ArmController) -> None:
    assert controller.command(chunk(), S)
    serve(controller, S, 0.2)
    here = controller.last.position[0] - HOME.position[0]
    assert controller.command(chunk(1, stamp_ns=S + S // 5, begin_m=here, source="human"), S + S // 5)
    serve(controller, S + S // 5, 0.1)
    report = only(controller.reports(S + 3 * S // 10))
    taken = ("policy", "a person took the arm on its way", "person")
    assert (report.source, report.reason, report.cut_by) == taken
    here = controller.last.position[0] - HOME.position[0]
    begin_ns = S + 3 * S // 10
    assert controller.command(chunk(2, stamp_ns=begin_ns, begin_m=here, source="human"), begin_ns)
    serve(controller, begin_ns, 0.1)
    report = only(controller.reports(S + 2 * S // 5))
    assert (report.source, report.cut_by) == ("human", ""), "a hand goes on, and takes nothing over"


def test_an_overridden_chunk_is_reported_with_what_the_person_did_in_its_time(
    controller: ArmController,
) -> None:
    """The person goes on for 16 waypoints; the policy's chunk would have gone the other way meanwhile."""
    middle, end = S + round(H * DT_S * S), S + round(2 * H * DT_S * S)
    controller.command(chunk(source="human"), S)
    serve(controller, S, H * DT_S - 0.1)
    second = chunk(1, stamp_ns=middle, begin_m=0.002 * H)
    assert controller.command(replace(second, source="human"), middle - S // 10)
    theirs = chunk(7, stamp_ns=middle, begin_m=0.002 * H, step_m=-0.002)
    assert not controller.command(theirs, middle - S // 20)
    serve(controller, middle - S // 10, 0.1 + H * DT_S / 2)
    only(
        controller.reports(middle + S // 10)
    )  # the person's first chunk; the time of the policy's is not over
    serve(controller, middle + round(H * DT_S / 2 * S), H * DT_S / 2 + 0.1)
    found = {report.chunk: report for report in controller.reports(end)}
    assert found[7].overridden and "a person has the arm" in found[7].reason
    np.testing.assert_allclose(found[7].executed, second.actions, atol=2e-3)


@pytest.mark.parametrize("why", ["session", "fault", "late"])
def test_where_the_person_did_not_have_the_arm_all_the_time_nothing_is_told(
    controller: ArmController, why: str
) -> None:
    controller.command(chunk(source="human"), S)
    serve(controller, S, 0.1)
    late = S - round(2 * DT_S * S)  # two of its waypoints were due before the first setpoint
    controller.command(chunk(7, stamp_ns=late if why == "late" else S), S + S // 10)
    serve(controller, S + S // 10, 0.1)
    if why == "session":
        controller.on_session("labelled", 0, S + S // 5, HOME)
    elif why == "fault":
        controller.stop("pressed", S + S // 5)
    serve(controller, S + S // 5, 0.4)
    found = {report.chunk: report for report in controller.reports(S + S // 5 + S // 2)}
    assert found[7].overridden and found[7].executed.shape == (0, 7)


def test_a_driver_that_complains_stops_the_arm(controller: ArmController) -> None:
    controller.command(chunk(), S)
    serve(controller, S, 0.1)
    controller.on_reading(reading("C31: collision"), S + round(0.1 * S))
    assert controller.fault == "C31: collision" and controller.owner == "stop"
    report = only(controller.reports(S + round(0.1 * S)))
    assert report.reason == "C31: collision" and not report.refused
    assert not controller.command(chunk(1, stamp_ns=2 * S), 2 * S)


def test_a_stop_brakes_at_once_and_its_first_reason_stays(controller: ArmController) -> None:
    """About 0.2 m/s, and 6 m/s^2 to lose it: a thirtieth of a second, and 4 mm."""
    assert controller.command(chunk(step_m=0.2 * DT_S), S)
    before, stop_ns = serve(controller, S, 0.1), S + S // 10
    speed_m_s = (before[-1].position[1] - before[-2].position[1]) / SERVO_S
    assert speed_m_s == pytest.approx(0.2, rel=0.1)
    controller.stop("pressed", stop_ns)
    assert controller.owner == "stop"
    controller.stop("pressed once more", stop_ns)
    after = np.array([each.position[1] for each in (before[-1], *serve(controller, stop_ns, 0.5))])
    rest_s, rest_m = speed_m_s / 6.0 + SERVO_S, speed_m_s**2 / (2 * 6.0)
    assert np.ptp(after[round(rest_s / SERVO_S) :]) < 1e-9 and controller.at_rest
    assert 0.5 * rest_m < after[-1] - after[0] < rest_m + 1e-4
    assert not controller.command(chunk(1, stamp_ns=2 * S), 2 * S)
    assert controller.fault == "pressed" and controller.owner == "stop"


class Faulty(Posture):
    """Joints with a bug, from a time on, where they are asked how fast they may turn."""

    has_a_bug = False

    def slowed(self, wanted: Setpoint, before: Setpoint, step_s: float) -> Setpoint:
        if self.has_a_bug:
            raise ZeroDivisionError("a bug")
        return super().slowed(wanted, before, step_s)


def test_a_fault_of_the_software_ends_in_a_controlled_stop() -> None:
    posture = Faulty(RIG, ARM, np.array(ARM.homing.joints_rad))
    controller = ArmController(ARM, TASK, "run", HOME, posture=posture)
    controller.on_session("running", 0, S, HOME)
    assert controller.command(chunk(step_m=0.006), S)
    before = serve(controller, S, 0.2)
    posture.has_a_bug = True
    after = serve(controller, S + S // 5, 0.5)
    assert controller.fault == "the bridge has failed: ZeroDivisionError('a bug')"
    y = np.array([each.position[1] for each in (*before[-3:], *after)])
    speed = np.abs(np.diff(y)) / SERVO_S
    assert speed[0] > 0.05 and speed[-1] == 0.0, "it moved, and stands still"
    most = ARM.limits.linear_acceleration_m_s2 * SERVO_S
    assert np.abs(np.diff(speed)).max() < 1.05 * most, "not at once"


def test_after_a_pause_the_path_starts_from_the_measured_pose_with_the_grasp_kept(
    controller: ArmController,
) -> None:
    controller.command(chunk(), S)
    serve(controller, S, 0.2)
    controller.on_session("paused", 0, S + round(0.2 * S), HOME)
    serve(controller, S + round(0.2 * S), 0.5)
    there = Setpoint(HOME.position + np.array([0.0, 0.01, 0.0]), HOME.quaternion, 0.02)
    controller.on_session("running", 0, 2 * S, there)
    held = controller.setpoint(2 * S + 1, SERVO_S)
    np.testing.assert_array_equal(held.position, there.position)
    assert held.gripper_width == 0.088
    assert controller.command(chunk(1, stamp_ns=2 * S), 2 * S)


def test_limits_are_the_rigs() -> None:
    tight = replace(ARM.limits, jump_m=0.03, jump_rad=0.2)
    limits = safety_limits(replace(ARM, limits=tight))
    assert (limits.jump_m, limits.jump_rad) == (0.03, 0.2)
    assert limits.workspace_low_m == ARM.workspace.min_m
    assert limits.linear_m_s == ARM.limits.linear_velocity_m_s
    assert ARM.gripper is not None and limits.gripper_high_m == ARM.gripper.max_width_m


def test_the_twin_holds_its_home_and_moves_where_it_is_told() -> None:
    arm = SimArm()
    home = arm.reset(5).home
    for _ in range(60):
        arm.stream(home)
        arm.advance()
    gap_m, gap_rad = arm.read().pose_base_tcp.distance(home.pose)
    assert gap_m < 0.003 and gap_rad < 0.02
    assert arm.world().qpos.shape == (15,)


@pytest.mark.parametrize(
    ("source", "waypoints", "dt_s", "allowed"),
    [
        ("policy", 15_000, DT_S, f"15000 waypoints, allowed 1 to {H} (the task's action.chunk)"),
        ("policy", H + 1, DT_S, f"{H + 1} waypoints"),
        ("policy", H, 0.5, "dt_s 0.5, allowed 0.0333333 s"),
        ("policy", H, 1e300, "dt_s 1e+300, allowed 0.0333333 s"),
        ("policy", H, 0.01, "dt_s 0.01, allowed 0.0333333 s"),
        ("human", H, 0.5, "dt_s 0.5, allowed 0.00833333 to 0.0333333 s"),
        ("human", H, 0.004, "dt_s 0.004, allowed 0.00833333 to 0.0333333 s"),
        ("human", H + 1, 0.01, f"{H + 1} waypoints"),
    ],
)
def test_chunks_that_are_too_long_are_refused_before_anything_costly(
    controller: ArmController, source: str, waypoints: int, dt_s: float, allowed: str
) -> None:
    actions = np.tile(np.asarray(chunk().actions)[:1], (waypoints, 1))
    began_s = time.thread_time()
    assert not controller.command(ChunkCommand("run", 0, 0, S, dt_s, 7, actions, source), S)
    assert time.thread_time() - began_s < 0.05
    assert allowed in only(controller.reports(S)).reason


@pytest.mark.parametrize(("waypoints", "dt_s"), [(15_000, DT_S), (H, 1e300), (H, 0.5)])
def test_what_another_arm_is_told_or_a_person_overrides_costs_nothing_either(
    controller: ArmController, waypoints: int, dt_s: float
) -> None:
    """A person has the arm; then the policy's chunk is only kept for its report."""
    assert controller.command(chunk(source="human"), S)
    actions = np.tile(np.asarray(chunk().actions)[:1], (waypoints, 1))
    bad = ChunkCommand("run", 0, 7, S, dt_s, 7, actions)
    began_s = time.thread_time()
    assert not controller.command(bad, S)
    controller.on_neighbour_chunk("other", bad, S)
    assert time.thread_time() - began_s < 0.05
    report = only(controller.reports(S))
    assert report.refused and not report.overridden and "allowed" in report.reason


@pytest.mark.parametrize("dt_s", [1 / 120, 0.02, 1 / 30])
def test_a_person_may_send_shorter_steps(controller: ArmController, dt_s: float) -> None:
    short = ChunkCommand("run", 0, 0, S, dt_s, 7, np.asarray(chunk().actions)[:4])
    assert controller.command(replace(short, source="human"), S)


def test_every_reset_homes_anew(controller: ArmController) -> None:
    """A reset that follows a fault or a stop in `ready` has the same episode."""
    controller.homed_sequence = 3
    for state in ("ready", "running", "faulted", "idle"):
        controller.on_session(state, 0, S, HOME)
        assert controller.homed_sequence == 3
    controller.on_session("resetting", 0, S, HOME)
    assert controller.homed_sequence == 0
    controller.homed_sequence = 9
    controller.on_session("resetting", 0, S, HOME)
    assert controller.homed_sequence == 9


@pytest.mark.parametrize("reset", ["manual", "teleoperated"])
def test_only_where_a_person_resets_with_the_arms_may_one_move_them_before_the_episode(reset: str) -> None:
    made = ArmController(ARM, replace(TASK, reset=reset), "run", HOME)
    made.on_session("ready", 0, S, HOME)
    assert not made.command(chunk(), S) and "no motion for policy" in only(made.reports(S)).reason
    taken = made.command(chunk(source="human"), S)
    assert taken == (reset == "teleoperated")
    moved = serve(made, S, 0.3)[-1].position[1] - HOME.position[1]
    assert made.owner == ("human" if taken else "stop")
    assert (moved > 0.01) == taken
    made.on_session("resetting", 0, S + round(0.3 * S), HOME)
    rest = serve(made, S + round(0.3 * S), 0.5)
    assert made.at_rest and rest[-1].position[1] - HOME.position[1] < moved + 0.02


def test_a_report_says_whose_chunk_it_was(controller: ArmController) -> None:
    """A person's chunk has the number that one of the policy has too."""
    controller.command(chunk(3, source="human"), S)
    serve(controller, S, H * DT_S + 0.1)
    executed = only(controller.reports(S + round((H * DT_S + 0.1) * S)))
    assert (executed.chunk, executed.source, executed.refused) == (3, "human", False)
    controller.refuse(chunk(3, source="human"), "no")
    assert only(controller.reports(2 * S)).source == "human"
    controller.refuse(chunk(3), "no")
    assert only(controller.reports(2 * S)).source == "policy"


def test_a_person_hands_the_arm_back(controller: ArmController) -> None:
    """The policy's chunk that came too early is overridden; the next one, a chunk later, goes on."""
    end_ns, length_ns = S + round(H * DT_S * S), round(H * DT_S * S)
    controller.command(chunk(source="human"), S)
    serve(controller, S, H * DT_S + 0.1)
    here_m = 0.002 * H
    assert not controller.command(chunk(1, stamp_ns=end_ns, begin_m=here_m), end_ns + S // 10)
    serve(controller, end_ns + S // 10, H * DT_S - 0.15)
    assert controller.fault == "" and controller.owner != "human"
    later = controller.last.position[1] - HOME.position[1]
    assert controller.command(
        chunk(2, stamp_ns=end_ns + length_ns, begin_m=later), end_ns + length_ns - S // 20
    )
    serve(controller, end_ns + length_ns - S // 20, 0.3)
    assert controller.owner == "policy" and controller.fault == ""


def test_an_arm_that_nobody_takes_back_from_a_person_holds_until_it_is_cleared(
    controller: ArmController,
) -> None:
    controller.command(chunk(source="human"), S)
    serve(controller, S, 3 * H * DT_S + 2 * ARM.watchdog_s)
    assert controller.fault.startswith("watchdog: no valid chunk")


def test_who_resets_the_scene_lets_go_and_takes_hold_again() -> None:
    made = ArmController(ARM, replace(TASK, reset="teleoperated"), "run", HOME)
    made.on_session("ready", 0, S, HOME)
    made.command(chunk(source="human"), S)
    serve(made, S, 10.0)
    assert (made.fault, made.owner, made.at_rest) == ("", "none", True)
    moved_m = float(made.last.position[1] - HOME.position[1])
    assert made.command(chunk(1, stamp_ns=11 * S, begin_m=moved_m, source="human"), 11 * S)
    assert serve(made, 11 * S, 0.4)[-1].position[1] - HOME.position[1] > moved_m + 0.01
