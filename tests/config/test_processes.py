"""Processors and priorities of the graph's processes, as the kernel has them afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from zprl_core import scheduling
from zprl_core.config import ProcessConfig, load_rig
from zprl_core.errors import ConfigError

LOOK = """
import os, threading
from zprl_core import scheduling
from zprl_core.config import ProcessConfig

go, here = threading.Event(), threading.Event()
before = threading.Thread(target=go.wait)
before.start()
print(repr(scheduling.apply(ProcessConfig({settings}))))
after = threading.Thread(target=go.wait)
after.start()
for thread in (threading.main_thread(), before, after):
    tid = thread.native_id
    print(sorted(os.sched_getaffinity(tid)), os.sched_getscheduler(tid), os.getpriority(os.PRIO_PROCESS, tid))
go.set()
"""


def applied(settings: str) -> list[str]:
    """What it returns, then CPUs, policy and nice of the main thread, an earlier and a later one."""
    code = LOOK.format(settings=settings)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()


def test_every_thread_is_moved_and_those_that_follow() -> None:
    cpu = min(os.sched_getaffinity(0))
    nice = os.getpriority(os.PRIO_PROCESS, 0) + 1
    if nice > 19:
        pytest.skip("already at the lowest priority")
    returned, *threads = applied(f"name='learner_node', cpus=({cpu},), nice={nice}")
    assert returned == "''"
    assert threads == [f"[{cpu}] {os.sched_getscheduler(0)} {nice}"] * 3


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="Linux does not group by session here")
def test_a_session_of_its_own_is_nice_as_a_whole() -> None:
    code = """
from pathlib import Path
from zprl_core import scheduling
from zprl_core.config import ProcessConfig
print(repr(scheduling.apply(ProcessConfig(name="learner_node", nice=7))))
print(Path("/proc/self/autogroup").read_text().split("nice")[1].strip())
"""
    told = [
        subprocess.check_output(
            [sys.executable, "-c", code], text=True, timeout=60, start_new_session=own
        ).splitlines()
        for own in (True, False)
    ]
    assert told[0] == ["''", "7"]
    assert told[1][1] == Path("/proc/self/autogroup").read_text().split("nice")[1].strip()


def test_a_real_time_priority_is_had_or_it_says_what_is_to_do() -> None:
    returned, *threads = applied("name='arm_bridge', realtime_priority=5")
    policies = {line.rsplit("] ")[1].split()[0] for line in threads}
    if returned == "''":
        assert policies == {str(os.SCHED_FIFO)}
    else:
        assert "realtime_priority 5 is not permitted: add `@realtime" in returned
        assert str(os.SCHED_FIFO) not in policies


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
