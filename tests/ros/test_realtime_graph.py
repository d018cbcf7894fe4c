"""The graph in real time: servo periods, streams, and what happens when somebody dies."""

from __future__ import annotations

import itertools
import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus

from tests.ros.harness import WATCHDOG_S, Graph, graph
from tests.ros.observer import Observer
from zprl_bringup import convert
from zprl_core.plan import Block
from zprl_core.records import read_records
from zprl_core.smoothness.episode import read_run

OK, ERROR = DiagnosticStatus.OK, DiagnosticStatus.ERROR


def stamps(messages: list[Any]) -> np.ndarray:
    """Stamps in ns."""
    return np.array([convert.stamp_ns(m) for m in messages])


def test_an_episode_in_real_time(tmp_path: Path) -> None:
    with graph(tmp_path / "g", lockstep=False, blocks=(Block("base_c", "base_c", episodes=1),)) as g:
        g.start_all(session={"max_consecutive_faults": 20})
        with Observer(g.domain, "arm", "world", "image", "q", "diagnostics") as eyes:
            g.wait(lambda: eyes.state == "done", 90, "an episode")
            seen = {key: list(messages) for key, messages in eyes.seen.items()}
            hiccup(g, 2.0)
            g.wait(lambda: levels(eyes)[-2:] == [ERROR, OK], 10, "the camera's diagnosis")
        codes = g.stop()
    complaint = re.search(
        r"camera third_view: streaming again after ([0-9.]+) s without a frame", g.log("camera")
    )
    assert complaint and 1.0 < float(complaint[1]) < 10.0
    assert set(codes.values()) == {0}, codes
    episode = read_records(g.run.episodes_file)[-1]
    assert episode.outcome == "success", episode
    ticks = stamps(seen["world"])
    assert np.median(np.diff(ticks)) * 1e-9 < 1 / 29
    on_the_clocks_ticks = (0, 999_999_990, 999_999_980)
    for t in (*ticks, *stamps(seen["image"])):
        assert (int(t) * 30) % 10**9 in on_the_clocks_ticks
    assert np.median(np.diff(stamps(seen["arm"]))) * 1e-9 < 1 / 59  # 60 Hz or more
    pictures = stamps(seen["image"])
    drawn = (ticks >= pictures[0]).sum()  # since the camera could draw
    assert len(pictures) > 0.5 * drawn and len(seen["q"]) > 0.8 * len(seen["arm"]), (len(pictures), drawn)
    reports = [r for r in g.policy_lines("report") if r["episode"] == episode.episode]
    executed = [r for r in reports if r["status"] == 0]
    assert [r["chunk"] for r in executed] == list(range(len(executed)))
    assert len(executed) >= 7  # the label cuts the eighth, in which the tongs let go and withdraw
    assert all(r["seam_gap_s"] < WATCHDOG_S for r in executed)
    labelled_ns = min(convert.stamp_ns(m) for m in seen["session"] if m.state == "labelled")
    sent = {c["chunk"] for c in g.policy_lines("chunk") if c["wall_ns"] < labelled_ns}
    assert {r["reason"] for r in reports if r["chunk"] in sent} <= {"", "the session is labelled"}, reports
    statistics = json.loads((g.run.path / "stats" / "bridge.json").read_text())
    assert abs(statistics["control_period_ms"]["p50"] - 1000 / 120) < 2.5


def test_a_nan_a_dead_camera_and_a_dead_policy(tmp_path: Path) -> None:
    """One after the other, in one graph: each time the arm holds, the episode is void, and the reason is
    said.
    """
    with graph(tmp_path / "g", lockstep=False, blocks=(Block("base_c", "base_c", episodes=9),)) as g:
        g.start_all(policy={"nan_episode": 0}, session={"max_consecutive_faults": 8, "stall_s": 3.0})
        with Observer(g.domain, "arm", "diagnostics") as eyes:
            g.wait(lambda: eyes.episode == 1, 60, "the NaN's episode to be void")
            refused = [r for r in g.policy_lines("report") if r["status"] == 1]
            void = read_records(g.run.episodes_file)[0]
            assert refused, void
            assert "chunk 0/1" in refused[0]["reason"] and "finite" in refused[0]["reason"]
            assert void.outcome == "void" and void.reason == refused[0]["reason"]
            wait_for_motion(g, eyes)

            killed_ns = time.time_ns()
            g.kill("camera")
            g.wait(lambda: faulted(eyes, "watchdog", killed_ns), 20, "the watchdog")
            assert_holds_within(g, eyes, 0.6, killed_ns)
            g.start("camera")
            wait_for_motion(g, eyes)

            killed_ns = time.time_ns()
            g.kill("policy")
            g.wait(lambda: faulted(eyes, "watchdog", killed_ns), 20, "the watchdog")
            told = f"arm 'arm': watchdog: no valid chunk for {WATCHDOG_S} s"
            g.wait(lambda: voided(eyes, told, killed_ns), 10, "the session to say so")
            g.wait(lambda: told in read_records(g.run.episodes_file)[-1].reason, 10, "the record")
            assert_holds_within(g, eyes, 0.6, killed_ns)
        assert {r.outcome for r in read_records(g.run.episodes_file)} == {"void"}
        session = g.processes["session"]
        g.wait(lambda: session.poll() is not None, 60, "the session to give up")
        assert session.returncode == 2
        last = g.log("session").splitlines()[-1]
        assert last.startswith("error: 8 episodes in a row were void") and "is the policy alive?" in last


def test_a_pause_a_stop_and_a_dead_session(tmp_path: Path) -> None:
    """A person pauses and goes on, a person stops the arm, the session dies: the arm slows down and holds."""
    with graph(tmp_path / "g", lockstep=False, blocks=(Block("base_c", "base_c", episodes=9),)) as g:
        g.start_all(session={"max_consecutive_faults": 8})
        with Observer(g.domain, "arm") as eyes:
            wait_for_motion(g, eyes)
            assert eyes.command("pause") == (True, "")
            g.wait(lambda: speed(eyes.seen["arm"][-1]) < 0.005, 3, "rest")
            episode, told = eyes.episode, len(g.policy_lines("report"))
            time.sleep(1.5)
            assert eyes.state == "paused" and eyes.episode == episode
            assert speed(eyes.seen["arm"][-1]) < 0.005
            assert not [r for r in g.policy_lines("report")[told:] if r["status"] == 0]
            assert eyes.command("resume") == (True, "")
            wait_for_motion(g, eyes)

            pressed_ns = time.time_ns()
            assert "until the session is cleared" in eyes.stop_arm()
            said = "stopped by the service /arms/arm/stop"
            g.wait(lambda: faulted(eyes, said, pressed_ns), 5, "the stop")
            assert_holds_within(g, eyes, 0.6, pressed_ns)
            g.wait(lambda: eyes.state == "stopped", 5, "the session to know")
            time.sleep(1.0)
            assert eyes.state == "stopped"  # a person's stop waits for a person, whoever labels
            assert eyes.command("clear") == (True, "") and eyes.command("start") == (True, "")
            wait_for_motion(g, eyes)

            killed_ns = time.time_ns()
            g.kill("session")
            said = "no sign of life from the session"
            g.wait(lambda: faulted(eyes, said, killed_ns), 10, "the lease to end")
            assert_holds_within(g, eyes, 0.6, killed_ns)
            time.sleep(1.0)
            assert eyes.seen["arm"][-1].owner == "stop" and speed(eyes.seen["arm"][-1]) < 0.005
        g.stop()
    stopped, cut = read_run(g.run.motion)[-2:]
    assert (stopped.outcome, cut.outcome) == ("void", "interrupted")
    assert stopped.policy.steps > 16  # before the pause and after it
    for motion in (stopped, cut):
        assert motion.measured.speed is not None and 0.02 < motion.measured.speed.max < 1.0


def hiccup(g: Graph, seconds: float) -> None:
    """The bridge, and with it the simulated world, does nothing for a while."""
    g.processes["bridge"].send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    g.processes["bridge"].send_signal(signal.SIGCONT)


def levels(eyes: Observer) -> list[bytes]:
    """Changes of the camera's state on /diagnostics."""
    return [
        level for level, _ in itertools.groupby(m.status[0].level for m in list(eyes.seen["diagnostics"]))
    ]


def wait_for_motion(g: Graph, eyes: Observer) -> None:
    """Until the arm moves by chunks that are executed."""
    done = len(g.policy_lines("report"))
    g.wait(lambda: any(r["status"] == 0 for r in g.policy_lines("report")[done:]), 30, "a chunk")
    g.wait(lambda: speed(eyes.seen["arm"][-1]) > 0.02, 10, "motion")


def speed(state: Any) -> float:
    """Fastest joint, rad/s."""
    return float(np.abs(convert.vector(state.joint_velocity_rad_s)).max())


def since(eyes: Observer, key: str, stamp_ns: int) -> list[Any]:
    """Messages of a kind that are stamped later."""
    return [m for m in list(eyes.seen[key]) if convert.stamp_ns(m) > stamp_ns]


def faulted(eyes: Observer, text: str, since_ns: int) -> bool:
    """Whether the arm has said so since then."""
    return any(text in s.fault for s in since(eyes, "arm", since_ns))


def voided(eyes: Observer, text: str, since_ns: int) -> bool:
    """Whether the session has said so since then."""
    return any(text in s.reason for s in since(eyes, "session", since_ns))


def assert_holds_within(g: Graph, eyes: Observer, seconds: float, since_ns: int) -> None:
    """From the first fault since then on the arm is still soon, and stays so: nobody moves it any more.

    Where no person is asked the session clears the fault at once, and the arm is reset to its home.
    """
    first = next(s for s in since(eyes, "arm", since_ns) if s.fault)
    assert first.owner == "stop"
    rest_ns = convert.stamp_ns(first) + round(seconds * 1e9)
    g.wait(lambda: len(since(eyes, "arm", rest_ns)) >= 30, 10, f"the arm {seconds} s after its fault")
    assert max(speed(s) for s in since(eyes, "arm", rest_ns)) < 0.02
