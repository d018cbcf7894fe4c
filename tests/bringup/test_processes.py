"""Processors and priorities of the graph's processes, as the kernel has them afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from zprl_core import scheduling
from zprl_core.config import ProcessConfig, load_rig
from zprl_core.errors import ConfigError

LOOK = """
import ctypes, os, resource, threading
from zprl_core import scheduling
from zprl_core.config import ProcessConfig

if {ordinary}:
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    if os.geteuid() == 0:
        os.setuid(65534)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # its /proc is its own again
go = threading.Event()
before = threading.Thread(target=go.wait)
before.start()
print(scheduling.apply(ProcessConfig({settings})))
after = threading.Thread(target=go.wait)
after.start()
for thread in (threading.main_thread(), before, after):
    tid = thread.native_id
    print(sorted(os.sched_getaffinity(tid)), os.sched_getscheduler(tid), os.getpriority(os.PRIO_PROCESS, tid))
go.set()
"""
CPU, NICE = min(os.sched_getaffinity(0)), os.getpriority(os.PRIO_PROCESS, 0)
SESSIONS = Path("/proc/self/autogroup")


def applied(settings: str, *, ordinary: bool = False) -> list[str]:
    """What it returns, then CPUs, policy and nice of the main thread, an earlier and a later one.

    ordinary: by a user who may not have a real-time priority.
    """
    code = LOOK.format(settings=settings, ordinary=ordinary)
    return subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).splitlines()


@pytest.mark.skipif(NICE >= 19, reason="runs at the lowest priority already")
def test_every_thread_is_moved_and_those_that_follow() -> None:
    returned, *threads = applied(f"name='learner_node', cpus=({CPU},), nice={NICE + 1}")
    assert returned == "[]"
    assert threads == [f"[{CPU}] {os.sched_getscheduler(0)} {NICE + 1}"] * 3


@pytest.mark.skipif(not scheduling.may_use(5), reason="no real-time priority is permitted here")
def test_a_real_time_priority_is_had() -> None:
    returned, *threads = applied("name='arm_bridge', realtime_priority=5")
    assert returned == "[]"
    assert {line.rsplit("] ")[1].split()[0] for line in threads} == {str(os.SCHED_FIFO)}


def test_without_permission_it_says_what_is_to_do_and_the_processors_are_had_all_the_same() -> None:
    settings = f"name='arm_bridge', cpus=({CPU},), realtime_priority=5"
    returned, *threads = applied(settings, ordinary=True)
    assert "realtime_priority 5 is not permitted: add `@realtime" in returned
    assert threads == [f"[{CPU}] {os.SCHED_OTHER} {NICE}"] * 3


@pytest.mark.skipif(NICE >= 18, reason="runs at the lowest priority already")
def test_a_niceness_below_that_of_its_parent_says_so() -> None:
    code = "import os; os.nice(2)\n" + LOOK.format(
        settings=f"name='learner_node', nice={NICE + 1}", ordinary=True
    )
    returned, *threads = subprocess.check_output(
        [sys.executable, "-c", code], text=True, timeout=60
    ).splitlines()
    assert f"nice {NICE + 1} is not permitted: started with {NICE + 2}, which is lower priority" in returned
    assert threads == [f"{sorted(os.sched_getaffinity(0))} {os.SCHED_OTHER} {NICE + 2}"] * 3


@pytest.mark.skipif(not SESSIONS.exists() or NICE > 7, reason="no groups by session here, or too nice")
def test_a_session_of_its_own_is_nice_as_a_whole_however_many_start_at_once() -> None:
    """Of ordinary users Linux takes one such request in 0.1 s."""
    code = (
        LOOK.format(settings="name='learner_node', nice=7", ordinary=True)
        + "print('of', open('/proc/self/autogroup').read().strip())"
    )
    command = [sys.executable, "-c", code]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=own)
        for own in (True, True, True, False)
    ]
    told = [process.communicate(timeout=60)[0].splitlines() for process in started]
    assert [lines[0] for lines in told] == ["[]"] * 4
    *own_sessions, ours = [lines[-1].removeprefix("of").strip() for lines in told]
    assert [session.split()[-2:] for session in own_sessions] == [["nice", "7"]] * 3
    assert ours == SESSIONS.read_text().strip()  # empty, as of process 1, where no session was ever begun


def test_a_priority_that_was_inherited_is_given_up() -> None:
    """Whatever a thread was started with."""
    code = (
        "import os; from zprl_core import scheduling; scheduling.as_usual(); print(os.sched_getscheduler(0))"
    )
    before = ["chrt", "-f", "5"] if scheduling.may_use(5) and shutil.which("chrt") else []
    found = subprocess.check_output([*before, sys.executable, "-c", code], text=True, timeout=60)
    assert int(found) == os.SCHED_OTHER


def test_a_processor_that_is_not_there_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"learner_node: cpus \[4000\]: this machine gives \[.*; change the rig"
    ):
        scheduling.apply(ProcessConfig(name="learner_node", cpus=(4000,)))


@pytest.mark.parametrize(
    ("processes", "said"),
    [
        ([{"name": "arm_brigde"}], "arm_brigde"),
        ([{"name": "arm_bridge", "cpus": [1, 1]}], "one stands twice"),
        (
            [{"name": "arm_bridge", "nice": 5, "realtime_priority": 50}],
            "means nothing beside realtime_priority",
        ),
        ([{"name": "arm_bridge", "realtime_priority": 100}], "realtime_priority"),
        ([{"name": "arm_bridge"}, {"name": "arm_bridge"}], "the name 'arm_bridge' stands twice"),
    ],
)
def test_a_rig_file_that_means_nothing_is_refused(tmp_path: Path, processes: list[object], said: str) -> None:
    file = tmp_path / "rig.yaml"
    file.write_text(
        yaml.safe_dump({"extends": "sim_xarm6", "name": "mine", "compute": {"processes": processes}})
    )
    with pytest.raises(ConfigError, match=said):
        load_rig(str(file))
