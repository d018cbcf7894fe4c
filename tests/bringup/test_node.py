"""How a node's process ends, and its timer on the grid: real processes, one ROS domain each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("rclpy")

START = """
from std_srvs.srv import Trigger
from zprl_bringup.node import Node, run
from zprl_bringup.ticks import GridTimer
from zprl_core.grid import TickGrid
from zprl_core.errors import SessionError
import os, signal, time
"""
ANSWER = """
class Example(Node):
    def __init__(self):
        super().__init__("example")
        self.create_service(Trigger, "~/ask", lambda request, response: response)
        self.call(self.create_client(Trigger, "~/ask"), Trigger.Request(), self.answered)

    def answered(self, response):
        raise {error}

    def shut_down(self):
        print("shut down", __import__("rclpy").ok())

run(Example)
"""
NO_SERVER = """
class Example(Node):
    def __init__(self):
        super().__init__("example")
        self.call(self.create_client(Trigger, "/nobody"), Trigger.Request(), print, patience_s=0.3)

run(Example)
"""
TIMER = """
class Example(Node):
    def __init__(self):
        super().__init__("example")
        self.timer = GridTimer(self, TickGrid(50.0), self.tick, offset_ns=2_000_000)
        self.ticks = 0

    def tick(self, n, stamp_ns):
        print(n, stamp_ns, time.time_ns())
        self.ticks += 1
        if self.ticks == 40:
            os.kill(os.getpid(), signal.SIGTERM)

run(Example)
"""


def execute(script: str, domain: int, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(domain + os.getpid() % 20),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF",
    }
    command = [sys.executable, "-c", START + script, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_users_error_in_an_answer_ends_the_process_with_one_line() -> None:
    done = execute(ANSWER.format(error="SessionError('the plan is empty')"), 191)
    assert (done.returncode, done.stderr) == (2, "error: the plan is empty\n")
    assert done.stdout == "shut down True\n"


def test_a_bug_in_an_answer_keeps_its_traceback() -> None:
    done = execute(ANSWER.format(error="KeyError('bug')"), 191)
    assert done.returncode == 1 and "in answered" in done.stderr and "KeyError: 'bug'" in done.stderr


def test_a_service_that_nobody_serves_is_named() -> None:
    done = execute(NO_SERVER, 191)
    assert (done.returncode, done.stderr) == (
        2,
        "error: service /nobody: no server after 0.3 s; see the logs\n",
    )


@pytest.mark.parametrize("words", [(), ("--ros-args", "-p", "use_sim_time:=true")])
def test_the_timer_calls_once_a_tick_soon_after_it_until_sigterm(words: tuple[str, ...]) -> None:
    """Also where the node's clock stands still, as a system clock does for its timers that is set back."""
    done = execute(TIMER, 191, *words)
    assert done.returncode == 0, done.stderr
    n, stamp_ns, now_ns = np.array([line.split() for line in done.stdout.splitlines()], dtype=np.int64).T
    assert (np.diff(n) >= 1).all() and (stamp_ns == n * 20_000_000).all()
    late_ms = (now_ns - stamp_ns) * 1e-6 - 2.0
    assert late_ms.min() > -0.5 and np.median(late_ms) < 10.0


CONFIGURED_TWICE = """
import gc, weakref
from zprl_bringup.node import LifecycleNode

class Ring:
    pass

class Example(LifecycleNode):
    def __init__(self):
        super().__init__("example")

    def configure(self):
        self.many, self.ring = [[] for _ in range(100_000)], Ring()
        self.ring.itself = self.ring

def configured(node):
    node.trigger_configure()
    return weakref.ref(node.ring)

class Configures(Example):
    def __init__(self):
        super().__init__()
        first = configured(self)
        print(gc.get_freeze_count() > 100_000)
        self.trigger_cleanup()
        configured(self)
        print(first())
        os.kill(os.getpid(), signal.SIGTERM)

run(Configures)
"""


def test_the_collector_passes_over_what_was_configured_and_frees_it_when_it_is_configured_anew() -> None:
    done = execute(CONFIGURED_TWICE, 191)
    assert (done.returncode, done.stdout) == (0, "True\nNone\n"), done.stderr


CRASH = """
class Example(Node):
    def __init__(self):
        super().__init__("example")
        self.create_timer(0.01, self.crash)

    def crash(self):
        os.kill(os.getpid(), signal.SIGSEGV)

run(Example)
"""


def test_a_crash_of_native_code_leaves_what_called_it() -> None:
    done = execute(CRASH, 191)
    assert done.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in done.stderr and "in crash" in done.stderr


HANGS = """
import ctypes

class Example(Node):
    def __init__(self):
        super().__init__("example")
        self.create_timer(0.01, self.tick)

    def tick(self):
        {ends}

    def shut_down(self):
        print("shut down")

    def destroy_node(self):
        ctypes.PyDLL(None).sleep(600)  # with the interpreter's lock, as Fast DDS can

run(Example)
"""


@pytest.mark.parametrize(
    ("ends", "code"),
    [("os.kill(os.getpid(), signal.SIGINT)", 0), ("self.fail(SessionError('no plan'))", 2)],
)
def test_a_node_that_cannot_be_destroyed_ends_all_the_same(ends: str, code: int) -> None:
    done = execute(HANGS.format(ends=ends), 191)
    assert (done.returncode, done.stdout) == (code, "shut down\n"), done.stderr
