"""Work beside a node's thread: a real node, one process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("rclpy")

NODE = """
import os, signal, threading, time
import torch
from policy_node.beside import Beside
from zprl_bringup.node import LifecycleNode, run

def slow(text):
    time.sleep(0.2)
    assert text != "bad", "a job that fails"
    assert torch.get_num_threads() == 3 and os.sched_getscheduler(0) == os.SCHED_OTHER
    return text + ("" if threading.current_thread() is threading.main_thread() else " beside")

class Example(LifecycleNode):
    def __init__(self):
        super().__init__("example")
        self.ticks, self.heard = 0, []
        self.beside = Beside(self, 3)
        self.create_timer(0.01, self.tick)
        for text in {texts}:
            self.beside.start(slow, text, done=self.done)

    def tick(self):
        self.ticks += 1

    def done(self, text):
        assert threading.current_thread() is threading.main_thread()
        self.heard.append(text)
        if text == "a beside":
            self.beside.start(slow, "c", done=self.done)
        if len(self.heard) == 3:
            print(self.heard, self.ticks > 20)
            os.kill(os.getpid(), signal.SIGINT)

    def shut_down(self):
        self.beside.close()

run(Example)
"""


def _run(domain: int, texts: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    code = NODE.replace("{texts}", repr(texts))
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environment
    )


def test_jobs_do_not_hold_the_node_up_and_come_back_in_order() -> None:
    done = _run(87, ["a", "b"])
    assert done.stdout.splitlines() == ["['a beside', 'b beside', 'c beside'] True"], done.stderr
    assert done.returncode == 0


def test_what_a_job_raises_ends_the_node() -> None:
    done = _run(88, ["bad"])
    assert done.returncode != 0 and "a job that fails" in done.stderr
