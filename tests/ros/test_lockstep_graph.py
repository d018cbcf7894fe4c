"""The graph in lockstep: real processes, real DDS, simulated time."""

from __future__ import annotations

import itertools
import json
import signal
import time
from pathlib import Path
from typing import Any

from tests.ros.harness import Graph, graph
from tests.ros.observer import Observer
from zprl_core.config import load_task
from zprl_core.plan import Block
from zprl_core.records import read_records
from zprl_core.smoothness.episode import MotionRecord, read_run

BLOCKS = (Block("base_c", "base_c", episodes=2),)
TIME_OF_DAY = ("sent_at", "got_at", "wall_ns")


def content(g: Graph, kind: str) -> dict[tuple[int, int], dict[str, Any]]:
    """The stand-in's lines of one kind by (episode, chunk), the last one counts, without times of day."""
    lines = g.policy_lines(kind)
    return {(x["episode"], x["chunk"]): {k: v for k, v in x.items() if k not in TIME_OF_DAY} for x in lines}


def test_two_runs_are_identical_even_if_one_is_killed_in_the_middle(tmp_path: Path) -> None:
    with graph(tmp_path / "a", lockstep=True, blocks=BLOCKS) as a:
        a.start_all()
        a.wait(lambda: a.state() == "done", 60, "two episodes")
        codes = a.stop()
    with graph(tmp_path / "b", lockstep=True, blocks=BLOCKS) as b:
        b.start_all()
        b.wait(lambda: (1, 3) in content(b, "chunk"), 60, "the middle of the second episode")
        b.kill()
        b.start_all()
        b.wait(lambda: b.state() == "done", 60, "the rest")
    assert set(codes.values()) == {0}, codes
    assert not any("Traceback" in a.log(name) for name in codes)
    assert content(a, "chunk") == content(b, "chunk")
    assert content(a, "report") == content(b, "report")
    assert a.run.episodes_file.read_bytes() == b.run.episodes_file.read_bytes()

    motions = read_run(a.run.motion)
    assert motions == read_run(b.run.motion)  # the repeated episode's line replaces the interrupted one's
    check_motions(motions)

    records = read_records(a.run.episodes_file)
    assert [r.outcome for r in records] == ["success", "success"]
    assert {r.label_author for r in records} == {"judge"}
    check_stamps(a)
    check_order(a)
    statistics = json.loads((a.run.path / "stats" / "bridge.json").read_text())
    assert statistics["control_period_ms"]["p50"] == 8.3333 and statistics["skipped_steps"] == 0


def check_motions(motions: tuple[MotionRecord, ...]) -> None:
    """Every chunk of the policy counts, and an arm follows its setpoints."""
    assert [(m.episode, m.arm, m.outcome) for m in motions] == [(0, "arm", "success"), (1, "arm", "success")]
    task = load_task("place_orange_demo")
    for motion in motions:
        assert motion.policy.steps % task.action.chunk == 0 and motion.policy.steps > 5 * task.action.chunk
        seconds = motion.policy.steps / task.rate_hz
        for found in (motion.commanded, motion.measured):
            assert abs(found.duration_s - seconds) < 0.05 and found.reason == ""
        commanded, measured = motion.commanded.speed, motion.measured.speed
        assert commanded is not None and measured is not None and motion.policy.velocity_m_s is not None
        assert abs(measured.mean / commanded.mean - 1.0) < 0.05
        assert abs(motion.policy.velocity_m_s / commanded.mean - 1.0) < 0.05


def check_stamps(g: Graph) -> None:
    """Chunk k is planned from tick k * H and starts L ticks later; stamps grow over the whole run."""
    task = load_task("place_orange_demo")
    lines = g.policy_lines("chunk")
    stamps = [line["stamp_ns"] for line in lines]
    assert all(a < b for a, b in itertools.pairwise(stamps))
    for line in lines:
        origin_ns = next(x["stamp_ns"] for x in lines if x["episode"] == line["episode"])
        tick_ns = 1e9 / task.rate_hz
        due = origin_ns + line["chunk"] * task.action.chunk * tick_ns
        assert abs(line["stamp_ns"] - due) < 2
        assert abs(line["start_ns"] - line["stamp_ns"] - task.observation.lead_steps * tick_ns) < 2
        assert line["image"] and line["q"]


def check_order(g: Graph) -> None:
    """No chunk is sent before the one before it was cleared, and each one is executed as commanded."""
    cleared = {-1}
    for line in map(json.loads, g.policy_log.read_text().splitlines()):
        if line["kind"] == "session":
            cleared = {-1} if line["state"] == "resetting" else cleared | {line["cleared"]}
        elif line["kind"] == "chunk":
            assert line["chunk"] - 1 in cleared, line
    reports = g.policy_lines("report")
    assert all(r["status"] == 0 and r["skipped"] == 0 and r["clamped"] == 0.0 for r in reports)
    assert len(reports) == len(g.policy_lines("chunk"))


def test_a_standstill_ends_the_run_and_says_so(tmp_path: Path) -> None:
    """A person may pause for longer."""
    with graph(tmp_path / "a", lockstep=True, blocks=(Block("base_c", "base_c", episodes=9),)) as a:
        a.start_all(session={"standstill_s": 2.0, "operator": True})
        with Observer(a.domain) as eyes:
            a.wait(lambda: "everybody is there" in a.log("session"), 60, "the graph")
            assert eyes.command("start") == (True, "")
            a.wait(lambda: content(a, "report") != {}, 30, "a chunk")
            assert eyes.command("pause") == (True, "")
            time.sleep(3.0)
            assert eyes.command("resume") == (True, "")
            session = a.processes["session"]
            a.processes["camera"].send_signal(signal.SIGSTOP)
            a.wait(lambda: session.poll() is not None, 20, "the session's end")
        a.processes["camera"].send_signal(signal.SIGCONT)
        assert session.returncode == 2
        assert "error: nothing has happened for 2 s (standstill_s)" in a.log("session")
        assert [record.outcome for record in read_records(a.run.episodes_file)] == ["void"]


def test_an_operator_starts_pauses_labels_and_undoes(tmp_path: Path) -> None:
    blocks = (Block("base_c", "base_c", episodes=1),)
    with graph(tmp_path / "g", lockstep=True, blocks=blocks) as g:
        g.start_all(session={"operator": True})
        with Observer(g.domain, "world") as eyes:
            g.wait(lambda: eyes.state == "idle", 30, "idle")
            assert eyes.command("pause") == (False, "pause is not possible while idle; possible in: "
                                                    "ready, running, labelled")  # fmt: skip
            g.wait(lambda: eyes.command("start")[0] or eyes.state != "idle", 30, "start")
            g.wait(lambda: len(g.policy_lines("chunk")) >= 2, 30, "motion")
            accepted, reason = eyes.command("pause")
            assert accepted, reason
            g.wait(lambda: eyes.state == "paused", 10, "paused")
            sent = len(g.policy_lines("chunk"))
            g.wait(lambda: len(g.policy_lines("report")) >= sent - 1, 10, "the chunk in flight")
            frozen = len(g.policy_lines("chunk"))
            assert eyes.command("start")[0] is False
            assert eyes.command("resume")[0]
            g.wait(lambda: eyes.state == "labelled", 30, "the judge's label")
            assert len(g.policy_lines("chunk")) > frozen
            assert eyes.command("undo")[0]
            assert read_records(g.run.episodes_file)[0].outcome == "void"
            assert eyes.label("failure", command_id="once") == (True, "")
            assert eyes.label("failure", command_id="once") == (True, "")
            assert [r.outcome for r in read_records(g.run.episodes_file)] == ["failure"]
            assert eyes.command("start")[0]
            g.wait(lambda: eyes.state == "done", 10, "done")
