"""A user's mistake gets one line and exit code 2, from every node."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

RIG, TASK = "sim_xarm6", "place_orange_demo"
CASES = [
    ("zprl_arms.arm_bridge", {"rig": "sim_xarm7"}, "unknown rig 'sim_xarm7'; did you mean 'sim_xarm6'?"),
    ("zprl_arms.arm_bridge", {"arm": "left"}, "has no arm 'left'"),
    ("zprl_cameras.camera_node", {"camera": "third_vew"}, "did you mean 'third_view'?"),
    ("zprl_session.session_node", {"task": "place_oragne"}, "unknown task 'place_oragne'"),
    ("zprl_session.session_node", {}, "run_dir"),
    ("zprl_session.session_node", {"seed": -1}, "parameter 'seed'"),
    ("zprl_recorder.recorder_node", {}, "run_dir"),
    ("zprl_session.auto_judge", {"task": "insert_bills"}, "no camera"),
]


@pytest.mark.parametrize(("module", "wrong", "message"), CASES)
def test_one_line_and_exit_code_2(module: str, wrong: dict[str, object], message: str) -> None:
    given = {"rig": RIG, "task": TASK, "arm": "arm", "camera": "third_view", **wrong}
    arguments = [part for key, value in given.items() for part in ("-p", f"{key}:={value}")]
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(110 + os.getpid() % 120),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF",
    }
    done = subprocess.run(
        [sys.executable, "-m", module, "--ros-args", *arguments],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    assert message in lines[0]
