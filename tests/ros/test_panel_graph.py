"""A person at the panel of a real graph: `zprl train --operator --panel` in lockstep, and a browser."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.panel.bench import free_port
from tests.panel.chrome import Desk, chromium, needed
from tests.ros import training

pytestmark = [needed, pytest.mark.slow]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """The folder of a training run that waits for its operator."""
    task = training.tiny_task(tmp_path)
    base, folder = training.tiny_base(tmp_path, task), tmp_path / "run"
    words = [
        "--rig",
        "sim_xarm6",
        "--task",
        str(task),
        "--base",
        str(base),
        "--out",
        str(folder),
        "--operator",
    ]
    panel = f"127.0.0.1:{free_port()}"
    process = training.start("train", *words, "--chunks", "1000", "--eval-episodes", "0", "--panel", panel)
    try:
        yield folder
    finally:
        process.send_signal(signal.SIGINT)
        try:
            print(process.communicate(timeout=60)[0][-3000:])
        except subprocess.TimeoutExpired:
            process.kill()


def _link(run: Path) -> str:
    file, deadline = run / "panel" / "link", time.monotonic() + 60.0
    while not file.exists():
        assert time.monotonic() < deadline, "no panel within a minute"
        time.sleep(0.1)
    return file.read_text().strip()


def test_an_operator_labels_episodes_at_the_page(run: Path) -> None:
    with chromium() as browser:
        desk = Desk(browser, _link(run))
        desk.until(lambda: desk.text("word") == "Idle", "the session waits", 60.0)
        desk.until(lambda: "learner_nodeactive" in desk.text("system"), "every node is up", 60.0)
        assert "▲" not in desk.text("system").replace("▲arm", "").replace("▲camera", ""), desk.text("system")
        desk.take_control()
        desk.press("start", clicks=2)
        desk.until(lambda: desk.text("word") == "Judge", "the episode runs to its end by itself", 60.0)
        count = "() => Number(document.querySelector('canvas').dataset.pictures ?? 0)"
        desk.until(lambda: desk.page.evaluate(count) > 0, "a picture")
        desk.press("success", clicks=2)
        desk.until(lambda: desk.text("word") == "Labelled: success", "the first label")
        desk.press("start")
        desk.until(lambda: desk.text("episode").startswith("1 "), "the second episode")
        desk.page.reload()
        desk.until(lambda: desk.text("seat-text") == "You have control", "control came back")
        desk.press("failure")
        desk.until(lambda: desk.text("word") == "Labelled: failure", "the second label")
        desk.press("undo")
        desk.until(lambda: desk.text("word") == "Judge", "the label is taken back")
        os.kill(training.node_pid(run, "zprl_panel.panel_node"), signal.SIGKILL)
        desk.press("success")
        desk.until(lambda: desk.text("word") == "Labelled: success", "the second thought", 30.0)
        desk.press("start")
        desk.press("stop")
        desk.until(lambda: desk.text("word") == "Stopped", "stopped")
        offline = ("WebSocket", "ERR_CONNECTION")  # while there was no server
        assert [line for line in desk.complaints if not any(word in line for word in offline)] == []
    latest = {line["episode"]: line for line in map(json.loads, training.lines(run / "episodes.jsonl"))}
    assert [latest[k]["outcome"] for k in (0, 1)] == ["success", "success"]
    assert {latest[k]["label_author"] for k in (0, 1)} == {"operator-1"}


def test_a_taken_port_ends_the_session_with_what_to_do(tmp_path: Path) -> None:
    task = training.tiny_task(tmp_path)
    base = training.tiny_base(tmp_path, task)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = [
            "--rig",
            "sim_xarm6",
            "--task",
            str(task),
            "--base",
            str(base),
            "--out",
            str(tmp_path / "run"),
        ]
        done = training.zprl("train", *words, "--chunks", "8", "--panel", f"127.0.0.1:{port}")
    assert done.returncode == 2
    assert f"panel: cannot listen at http://127.0.0.1:{port}: " in done.stderr
    assert "give --panel another address or port" in done.stderr
