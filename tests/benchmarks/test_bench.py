"""`zprl bench`, and what it counts."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zprl_arms.servo_jitter import off_by_ms
from zprl_core.bench import policy, updates
from zprl_core.bench.rows import AtMost, AtMostMore, Promise, Row, TimesAsFast
from zprl_core.bench.table import data, told
from zprl_core.bench.transport import OURS, PEER, Arrived, compared, environments
from zprl_core.bench.turns import in_turns
from zprl_core.config import load_task
from zprl_core.data.observation import noise
from zprl_core.policy.base_policy import BasePolicy
from zprl_core.rl.sac import SAC

ABOUT = {
    "processor": "p",
    "cpus": 2,
    "load": (0.0, 0.0, 0.0),
    "giga_multiply_adds_a_second": 1.0,
    "threads": 1,
    "gpu": None,
    "packages": {"torch": "t"},
    "peers": {"av": None},
    "commit": "c",
}


PATIENCE_S = 580.0


def bench(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`zprl bench --quick`, which must end well."""
    command = [sys.executable, "-m", "zprl_core.cli", "bench", "--quick", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, env={**os.environ, **more}
    )
    assert done.returncode == 0, done.stderr
    return done


def test_updates_beside_a_peer_that_may_be_missing(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "bench.json"
    done = bench("--only", "updates", "--out", str(out))
    kept = json.loads(out.read_text())
    assert {"av", "openvino", "stable-baselines3"} <= kept["machine"]["peers"].keys()
    assert [row["path"] for row in kept["rows"]][::2] == [f"SAC update, {n} critics" for n in (2, 5, 10)]
    here = importlib.util.find_spec("stable_baselines3") is not None
    for row in kept["rows"]:
        assert row["ours_cost"] > 0.0 and (row["ratio"] is not None) == here
    assert ("not here" in done.stdout.splitlines()[-2]) != here
    assert ("pip install -e '.[bench]'" in done.stderr) != here
    assert "G float32 multiply-adds a second" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(importlib.util.find_spec("zprl_interfaces") is None, reason="needs ROS 2")
def test_transport_over_real_dds(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    done = bench("--only", "transport", "--out", str(out))
    rows = json.loads(out.read_text())["rows"]
    assert [row["path"].split(", ")[1:] for row in rows] == [
        [f"3 cameras of {size} at 30 Hz", what]
        for size in ("240x320", "480x640")
        for what in ("latency p50", "latency p99", "images lost of 270", "CPU time an image")
    ]
    for row in rows:
        assert row["ours"] == OURS and row["peer"] == PEER
        assert row["ours_cost"] is not None, f"no process or no image: {done.stderr}"
        assert ("lost" in row["path"]) or row["ours_cost"] > 0.0
    assert all(row["ours_cost"] < 270.0 for row in rows if "lost" in row["path"])
    assert [row["wanted"] for row in rows[:4]] == [None, {"cost": 10.0}, {"cost": 0}, None]


@pytest.mark.parametrize("missing", ["rclpy", "xarm", "av"])
def test_what_is_not_installed_is_said_in_one_line(tmp_path: Path, missing: str) -> None:
    """A module of that name that cannot be imported comes first on the path; rclpy is not even looked for."""
    (tmp_path / "sitecustomize.py").write_text(
        f"""import importlib.util, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == {missing!r} else found(name, package)
"""
    )
    part, install = {
        "rclpy": ("transport", "make setup"),
        "xarm": ("servo", "pip install -e '.[real]'"),
        "av": ("batches", "pip install -e '.[formats]'"),
    }[missing]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = bench("--only", part, PYTHONPATH=path)
    (said,) = [line for line in done.stderr.splitlines() if line.startswith(f"{part}: ")]
    assert install in said
    assert "Traceback" not in done.stderr
    assert all("not here" in line for line in done.stdout.splitlines() if line.startswith(f"| {part}"))
    assert f"| {part}" in done.stdout


@pytest.mark.parametrize(
    ("wanted", "ours", "peer", "met"),
    [
        (TimesAsFast(2.0), 5.0, 10.0, True),
        (TimesAsFast(2.0), 5.1, 10.0, False),
        (TimesAsFast(2.0), 5.0, math.nan, None),
        (AtMostMore(1.0), 3.0, 2.0, True),
        (AtMostMore(1.0), 3.1, 2.0, False),
        (AtMostMore(1.0), math.nan, 2.0, None),
        (AtMost(10.0), 10.0, math.nan, True),
        (AtMost(10.0), 10.1, 99.0, False),
        (AtMost(0), 0.0, 3.0, True),
        (AtMost(0), math.inf, 3.0, False),
        (None, 1.0, 2.0, None),
    ],
)
def test_promises(wanted: Promise | None, ours: float, peer: float, met: bool | None) -> None:
    row = Row("path", "ours", ours, "peer", peer, wanted)
    assert row.met is met
    (kept,) = data({}, [row])["rows"]
    assert kept["met"] is met


def test_the_table_shows_what_is_promised_and_whether_it_holds() -> None:
    rows = [
        Row("a", "x", 5.0, "y", 20.0, TimesAsFast(3.5), limit_ms=1.0, error=1e-6),
        Row("b", "x", 3.25, "y", 2.0, AtMostMore(1.0)),
        Row("c", "x", 0.0, "y", 7.0, AtMost(0), unit="lost"),
        Row("d", "x", math.nan, "y", 12.34),
    ]
    cells = [line.strip("| ").split(" | ") for line in told(ABOUT, rows).splitlines()[-4:]]
    assert cells[0] == ["a", "x", "5.00 ms", "y", "20.0 ms", "4.00", "3.5 times", "yes", "20%", "1.0e-06"]
    assert cells[1][2:8] == ["3.25 ms", "y", "2.00 ms", "0.62", "peer + 1 ms", "no"]
    assert cells[2][2:8] == ["0 lost", "y", "7 lost", "", "at most 0 lost", "yes"]
    assert cells[3][2:5] == ["not here", "y", "12.3 ms"]


def test_what_cannot_be_had_is_null_in_the_file() -> None:
    row = Row("policy", "cuda fp32", math.nan, "peer", 10.0, TimesAsFast(2.0))
    (kept,) = data({}, [row])["rows"]
    assert (kept["ours_cost"], kept["ratio"], kept["peer_cost"], kept["met"]) == (None, None, 10.0, None)
    assert kept["wanted"] == {"times": 2.0}
    assert Row("policy", "torch fp32", 5.0, "peer", 10.0).ratio == 2.0
    assert math.isnan(Row("images", "ours", 0.0, "peer", 3.0).ratio)


def test_images_that_arrived_and_those_that_did_not() -> None:
    """99 images that took 1 to 99 ms, and one that was lost; 990 ms of CPU."""
    arrived = Arrived([float(ms) for ms in range(1, 50)], 49, 490.0)
    arrived += Arrived([float(ms) for ms in range(50, 100)], 51, 500.0)
    p50, p99, lost, cpu_ms = arrived.costs
    assert (p50, lost, cpu_ms) == (50.0, 1.0, 10.0) and p99 == pytest.approx(98.02)
    rows = list(compared((240, 320), {OURS: arrived}))
    assert [row.met for row in rows] == [None, False, False, None]
    assert all(math.isnan(row.peer_cost) for row in rows) and "lost of 100" in rows[2].path
    nothing = list(compared((240, 320), {OURS: Arrived([], 10, 5.0)}))
    assert [row.met for row in nothing] == [None, False, False, None], "not one came: that is no success"


def test_a_callers_own_dds_settings_are_not_measured(tmp_path: Path) -> None:
    base = {
        "PATH": "p",
        "RMW_IMPLEMENTATION": "rmw_other",
        "FASTDDS_DEFAULT_PROFILES_FILE": "mine.xml",
        "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4",
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF",
    }
    found = environments(7, tmp_path, base)
    for way in (OURS, PEER):
        assert found[way]["PATH"] == "p" and found[way]["ROS_DOMAIN_ID"] == "7"
        assert found[way]["RMW_IMPLEMENTATION"] == "rmw_fastrtps_cpp"
        assert "FASTDDS_BUILTIN_TRANSPORTS" not in found[way]
    assert Path(found[OURS]["FASTDDS_DEFAULT_PROFILES_FILE"]).name == "single_host_shm.xml"
    assert "FASTDDS_DEFAULT_PROFILES_FILE" not in found[PEER]


def test_how_far_periods_are_off() -> None:
    """100 Hz: setpoints at 0, 10, 21 and 30.5 ms are off by 0, 1 and 0.5 ms."""
    came_ns = np.array([0, 10_000_000, 21_000_000, 30_500_000])
    assert off_by_ms(came_ns, 100.0) == pytest.approx([0.0, 1.0, 0.5])


def test_turns_are_taken() -> None:
    order: list[str] = []
    in_turns({name: lambda name=name: order.append(name) for name in "ab"}, 2)
    assert order == ["a", "b"] * 4, "two rounds to warm up"


@pytest.mark.parametrize(("critics", "passes"), [(2, 6 * 2), (10, 5 * 10 + 2)])
def test_multiply_adds_of_an_update(critics: int, passes: int) -> None:
    """4 layers of 256 on c (3) and z (2), one number out; the actor gives two numbers a dimension. Of more
    than two critics the target needs two.
    """
    rl = replace(load_task("box_close_state").rl, critics=critics)
    sac = SAC(3, 2, 1.0, rl)
    critic = 5 * 256 + 3 * 256 * 256 + 256
    actor = 5 * 256 + 3 * 256 * 256 + 256 * 4
    assert updates.multiply_adds(sac) == 256 * (passes * critic + 4 * actor)


@torch.inference_mode()
def test_multiply_adds_of_a_policy_without_cameras() -> None:
    """Counted layer by layer, by hand: U-Net 32-64 of kernel 3 on a chunk of 4 waypoints of 4 numbers."""
    task = load_task("box_close_state")
    frozen = BasePolicy(task)
    embedding = task.policy.step_embedding

    def block(inputs: int, outputs: int, length: int) -> int:
        shortcut = inputs * outputs if inputs != outputs else 0
        return length * (3 * inputs * outputs + 3 * outputs * outputs + shortcut)

    def level(inputs: int, outputs: int, length: int) -> int:
        return block(inputs, outputs, length) + block(outputs, outputs, length)

    films = 2 * (2 * 32 + 2 * 64 + 2 * 64 + 2 * 32)
    step = embedding * 4 * embedding * 2 + embedding * films
    levels = level(4, 32, 4) + 2 * (3 * 32 * 32) + level(32, 64, 2) + level(64, 64, 2)
    levels += 2 * (64 * 128) + level(64 + 32, 32, 4) + 4 * (3 * 32 * 32 + 32 * 4)
    condition = 14 * 2 * embedding + 2 * embedding * films
    assert policy.multiply_adds(frozen, noise(task, 1)[0]) == condition + 2 * (step + levels)
