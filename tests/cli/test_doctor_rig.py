"""`zprl doctor --rig` as a user runs it, against a simulated control box and cameras that play files."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from tests.cameras.devices import write_folder
from tests.hardware.boxes import box, own_address
from zprl_core import cli
from zprl_core.base import new_model, save_base
from zprl_core.cli import rig_checks
from zprl_core.cli.arm_checks import check_arm
from zprl_core.cli.camera_checks import check_camera
from zprl_core.config import load_rig, load_task
from zprl_core.config.files import read_yaml
from zprl_sim.xarm_box.client import BoxClient

pytest.importorskip("xarm", reason="the vendor's SDK is not installed: pip install xarm-python-sdk")

BOX_SERIAL = "XI130400S00001"
HEIGHT, WIDTH = 48, 96
Rig = dict[str, Any]
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def bench() -> Iterator[BoxClient]:
    with box("--scene", "place_orange", "--gripper", "robotiq_2f85") as client:
        yield client


@pytest.fixture
def write(tmp_path: Path, bench: BoxClient) -> Write:
    """Writes a rig, changed by a function of its plain data, before the box and a folder of pictures."""
    (tmp_path / "rigs").mkdir()
    pictures = write_folder(tmp_path / "pictures", [scene(0, 0, n) for n in range(4)])

    def write_rig(change: Callable[[Rig], object] = lambda _: None) -> Path:
        data = load_rig("xarm6_place_orange_sim").to_dict()
        data["arms"][0].update(address=bench.address, watchdog_s=1.5)  # for a busy test machine
        camera = {
            "driver": "files",
            "device": str(pictures),
            "width": WIDTH,
            "height": HEIGHT,
            "rate_hz": 10.0,
        }
        data["cameras"][0].update(camera)
        data.pop("calibration")
        change(data)
        path = tmp_path / "rigs" / "cell.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return path

    return write_rig


def scene(down: int, right: int, n: int) -> np.ndarray:
    """A picture of a scene that moved in it, with a little noise."""
    whole = np.random.default_rng(0).integers(0, 255, (HEIGHT // 4 + 8, WIDTH // 4 + 8)).astype(np.uint8)
    large = cv2.resize(whole, (WIDTH + 32, HEIGHT + 32), interpolation=cv2.INTER_CUBIC)
    part = large[16 - down : 16 - down + HEIGHT, 16 - right : 16 - right + WIDTH].astype(np.int64)
    noisy = part + np.random.default_rng(n).integers(-3, 4, part.shape)
    return np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def doctor(
    rig: Path | str, *options: str, stdin: Any = subprocess.DEVNULL
) -> subprocess.CompletedProcess[str]:
    """The command as a process; nothing of it is a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "zprl_core.cli", "doctor", "--rig", str(rig), "--rig-only", *options],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=stdin,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def part(done: subprocess.CompletedProcess[str], title: str) -> str:
    """The line that begins with a word and this title, with its details, advice and all."""
    lines = done.stdout.splitlines()
    first = next((i for i, line in enumerate(lines) if line[5:].startswith(title)), None)
    assert first is not None, done.stdout + done.stderr
    following = (i for i in range(first + 1, len(lines)) if not lines[i].startswith(" "))
    return "\n".join(lines[first : next(following, len(lines))])


def settings(bench: BoxClient) -> Rig:
    """What somebody can set or enable at a box."""
    names = ("mode", "state", "error", "enabled", "tcp_offset", "load", "collision_sensitivity", "reduced")
    status = bench.status()
    return {name: status[name] for name in names}


def test_the_simulated_rig_is_green(capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["doctor", "--rig", "sim_xarm6", "--task", "place_orange_demo", "--rig-only"])
    said = capsys.readouterr().out
    assert code == 0 and said.endswith("Rig sim_xarm6 is ready.\n")
    assert "\nok   arm 'arm': xarm6: MuJoCo twin" in said and "FAIL" not in said
    assert "camera 'third_view': sim: simulated, opens with the graph" in said
    assert "hardware stop" not in said


def test_a_rig_that_is_whole_and_then_its_camera_is_bumped(write: Write, bench: BoxClient) -> None:
    rig, before = write(lambda data: data["arms"][0].update(serial=BOX_SERIAL)), settings(bench)
    done = doctor(rig, "--save-reference")
    assert done.returncode == 0, done.stdout + done.stderr
    arm = part(done, "arm 'arm': xarm6")
    assert f"serial number {BOX_SERIAL}" in arm and "firmware 1.12.10" in arm and "SDK 1." in arm
    assert "Hz, age" in arm and "clock offset" in arm and "nearest to its limit" in arm
    camera = part(done, "camera 'third_view': files")
    assert not camera.startswith("FAIL") and "48x96 at " in camera and "reference picture stored" in camera
    assert settings(bench) == before, "doctor only looks"
    pictures = rig.parents[1] / "pictures"
    for n in range(4):
        cv2.imwrite(str(pictures / f"{n:03}.png"), scene(5, -3, n))
    cell = rig_checks.load_cell(str(rig))
    found = check_camera(cell.cameras[0], cell.folder / "third_view.png").finding
    assert found.ok is False and "--save-reference" in found.advice
    assert "bumped: +" in found.advice and "px down, -3.0 px right" in found.advice


def test_swapped_silent_and_missing_devices_are_named(write: Write, tmp_path: Path) -> None:
    silent, still = own_address(), write_folder(tmp_path / "still", [scene(0, 0, 0)])

    def change(data: Rig) -> None:
        (arm,), (camera,) = data["arms"], data["cameras"]
        right = {**arm, "name": "right", "address": silent, "serial": BOX_SERIAL, "base_frame": "right_base"}
        data["arms"] = [{**arm, "name": "left", "serial": "XI000000S00000"}, right]
        data["proprioception"] = ["left/joint_position_rad", "right/joint_position_rad"]
        data["cameras"] = [
            {**camera, "name": "frozen", "device": str(still)},
            {**camera, "name": "gone", "device": str(tmp_path / "absent")},
            {**camera, "name": "plugged_out", "driver": "v4l2", "device": "/dev/video99"},
            {**camera, "name": "large", "width": 2 * WIDTH},
        ]

    began = time.monotonic()
    done = doctor(write(change))
    assert done.returncode == 1 and time.monotonic() - began < 30.0
    left, right = part(done, "arm 'left'"), part(done, "arm 'right'")
    assert left.startswith("FAIL") and f"serial number {BOX_SERIAL}" in left
    assert "the rig says serial: XI000000S00000: it is arm 'right', they are swapped" in left
    assert right.startswith("FAIL") and silent in right and "no connection" in right
    assert f"zprl sim-xarm --address {silent} --model xarm6" in right
    expected = {
        "frozen": "equal to the bit",
        "gone": "does not exist",
        "plugged_out": "/dev/video99 does not",
    }
    for name, said in {**expected, "large": "expected 48x192x3"}.items():
        camera = part(done, f"camera '{name}'")
        assert camera.startswith("FAIL") and said in camera


def test_a_box_that_answers_and_complains_is_not_told_to_be_started(write: Write, bench: BoxClient) -> None:
    rig = load_rig(write())
    bench.inject(error=19)
    try:
        found = check_arm(rig, "arm", 0.2).finding
    finally:
        bench.inject(error=0)
    assert found.ok is False and "C19 " in found.advice
    assert "is correct. Look at the arm, clear the error" in found.advice
    assert "start it yourself" not in found.advice


def test_impossible_limits_are_named(write: Write) -> None:
    space = {"min_m": [0.7, -0.4, 0.0], "max_m": [0.65, 0.45, 0.6]}
    done = doctor(write(lambda data: data["arms"][0].update(workspace=space)))
    assert done.returncode == 1, done.stdout + done.stderr
    rig = part(done, "rig ")
    assert rig.startswith("FAIL") and "min_m: x = 0.7 is not below" in rig


def test_a_workspace_without_home_is_named(write: Write) -> None:
    space = {"min_m": [0.5, -0.4, 0.0], "max_m": [0.65, 0.45, 0.6]}
    rig = write(lambda data: data["arms"][0].update(workspace=space))
    finding = next(rig_checks.settings(rig_checks.load_cell(str(rig))))
    assert finding.ok is False and "arm 'arm': homing.joints_rad: the tool is at" in finding.advice
    assert "outside the workspace" in finding.advice


def test_a_real_rig_is_red_until_its_hardware_stop_was_tested(write: Write) -> None:
    def change(data: Rig) -> None:
        data.update(simulation=None, cameras=[])
        data["arms"][0]["address"] = "192.0.2.1"  # of the network for examples: nobody is there

    rig = write(change)
    began = time.monotonic()
    done = doctor(rig, "--measure", "--yes")
    assert done.returncode == 1 and time.monotonic() - began < 30.0
    stop = part(done, "hardware stop")
    assert stop.startswith("FAIL hardware stop: never tested")
    assert f"zprl doctor --rig {rig} --stop-test" in stop and "no safety function" in stop
    assert "no connection" in part(done, "arm 'arm'") and "PREEMPT_RT" in done.stdout
    assert "nothing moves before" in part(done, "calibration: not measured")


def test_measuring_moves_the_arm_a_little_and_the_rig_uses_the_result(
    write: Write, bench: BoxClient, tmp_path: Path
) -> None:
    task = load_task("place_orange_demo")
    save_base(tmp_path / "base.ckpt", new_model(task, 0), task)
    rig, since = write(), bench.inject()
    options = ("--task", task.name, "--measure", "--yes", "--base", str(tmp_path / "base.ckpt"))
    done = doctor(rig, *options)
    trace = bench.trace(since)
    height_m = trace.position_m[:, 2]
    set_up = int(np.abs(np.diff(height_m)).argmax()) + 1  # the box learned the tool's offset
    rise_m = height_m[set_up:] - height_m[set_up]
    assert 0.018 < rise_m.max() < 0.022 and abs(rise_m[-1]) < 0.002, done.stdout
    assert np.median(trace.speed_m_s[set_up:]) < 0.1
    applied = load_rig(rig)
    measured = applied.calibration
    assert measured is not None and measured.id.startswith(f"{applied.name}-"), done.stdout + done.stderr
    assert measured.arms[0].name == "arm" and 0.0 < measured.arms[0].delay_s < 0.2
    assert 0.0 <= applied.camera("third_view").delay_s == measured.cameras[0].delay_s < 0.3
    said = part(done, "camera 'third_view': a picture takes")
    ways_ms = [float(number) for number in re.findall(r"(\d+\.\d) ms", said)]
    assert len(ways_ms) == 2 and min(ways_ms) > 0.0
    assert 1e3 * measured.cameras[0].delay_s == pytest.approx(sum(ways_ms), abs=0.2)
    assert 0.0 < applied.proprioception_delay_s == measured.proprioception_delay_s < 0.2
    assert measured.planning_s > 0.0 and f"task {task.name} has lead_steps: 2" in part(done, "planning takes")
    told = part(done, "a chunk takes")
    assert "policy backend cuda fp32: torch finds no CUDA GPU here" in told or torch.cuda.is_available()
    assert "on 4 observations" in told, "which backend that was"
    line = list(rig_checks.settings(rig_checks.load_cell(str(rig))))[1]
    assert line.ok and line.what == f"calibration {measured.id}: 0 days old"
    check_a_silent_gripper(rig, bench)


def check_a_silent_gripper(rig: Path, bench: BoxClient) -> None:
    """A gripper that was activated once is read by looking, and missed when it does not answer."""
    there = check_arm(load_rig(rig), "arm", 0.2).finding
    assert there.ok is True and "mm open" in there.what
    bench.inject(drop_tool=True)
    try:
        silent = check_arm(load_rig(rig), "arm", 0.2).finding
    finally:
        bench.inject(drop_tool=False, error=0)
        bench.reset(0, arm="home")
    assert silent.ok is False and "gripper robotiq_2f85 does not answer" in silent.advice


def test_what_needs_a_person_says_so(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    cell = str(write())
    for rig, options, said in (
        (cell, ("--measure",), "there is no terminal to ask at; add --yes"),
        (cell, ("--stop-test",), "needs a person at a terminal"),
        (cell, ("--yes",), "has no meaning without --measure"),
        ("sim_xarm6", ("--measure", "--yes"), "no delays to measure"),
        ("sim_xarm6", ("--stop-test",), "have no hardware stop"),
    ):
        assert cli.main(["doctor", "--rig", rig, *options]) == 2
        assert said in capsys.readouterr().err
    assert cli.main(["doctor", "--measure"]) == 2
    assert "name one with --rig" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "counts"), [(2, True), (31, False)])
def test_the_hardware_stop_is_tested_by_pressing_it(
    write: Write, bench: BoxClient, error: int, counts: bool
) -> None:
    rig = write()
    terminal, stdin = pty.openpty()
    command = [sys.executable, "-u", "-m", "zprl_core.cli", "doctor", "--rig", str(rig), "--stop-test"]
    with subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = until(process, "it holds still:")
        assert "software stops are no safety function" in said.lower()
        os.write(terminal, b"\n")
        until(process, "press the hardware stop now")
        bench.inject(error=error)
        if counts:
            assert "seen: " in until(process, "q gives up:")
            bench.inject(error=0)
            os.write(terminal, b"\n")
            assert "the hardware stop works" in process.stdout.read()
        else:
            said = process.stdout.read()
            assert "that is not the hardware stop: arm 'arm'" in said and "C31" in said
            assert "FAIL arm 'arm': its stop is not tested" in said
    os.close(terminal)
    os.close(stdin)
    bench.inject(error=0)
    file = rig.parents[1] / "calibrations" / "cell" / "stop_test.yaml"
    assert process.returncode == int(not counts) and file.is_file() is counts
    if counts:
        noted = read_yaml(file)["arms"]["arm"]
        assert "C2 " in noted["seen"] and noted["moved_mm"] < 2.0
        assert noted["model"] == "xarm6" and noted["address"] == bench.address
        assert BOX_SERIAL in noted["serial"]


def until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    said = ""
    while words not in said:
        letter = process.stdout.read(1)
        assert letter, f"ended after {said!r}"
        said += letter
    return said
