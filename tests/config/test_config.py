# SPDX-License-Identifier: Apache-2.0
"""Loading, validation and its messages."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.config import (
    ActionConfig,
    RigConfig,
    TaskConfig,
    check_pair,
    files,
    load_rig,
    load_task,
    loader,
    rig_names,
    task_names,
)
from zprl_core.config.fields import METADATA_KEY, setting_of
from zprl_core.errors import ConfigError


@pytest.mark.parametrize("name", task_names())
def test_every_task_loads_and_survives_its_dictionary(name: str) -> None:
    task = load_task(name)
    assert task.name == name
    assert TaskConfig.from_dict(task.to_dict()) == task
    assert TaskConfig.from_dict(yaml.safe_load(yaml.safe_dump(task.to_dict()))) == task


@pytest.mark.parametrize("name", rig_names())
def test_every_rig_loads_and_survives_its_dictionary(name: str) -> None:
    rig = load_rig(name)
    assert rig.name == name
    assert RigConfig.from_dict(rig.to_dict()) == rig


def _with(data: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of nested data with one dotted key set, or deleted when value is ..."""
    copy: dict[str, Any] = yaml.safe_load(yaml.safe_dump(data))
    node: Any = copy
    *path, last = key.split(".")
    for part in path:
        node = node[int(part)] if part.isdigit() else node[part]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return copy


TASK_ERRORS = [
    ("rl.lamda", 0.2, ["rl.lamda", "did you mean 'lambda'?"]),
    ("rate", 30, ["rate", "unknown key", "did you mean 'rate_hz'?"]),
    ("rl.gamma", 1.5, ["rl.gamma", "1.5", "at most 1"]),
    ("rl.gamma", "high", ["rl.gamma", "'high'", "a number"]),
    ("rl.gamma", math.nan, ["rl.gamma", "nan", "not finite"]),
    ("rl.lambda", 0, ["rl.lambda", "0", "more than 0"]),
    ("rl.utd", 1.5, ["rl.utd", "1.5", "a whole number"]),
    ("rl.utd", True, ["rl.utd", "True", "a whole number"]),
    ("rl.catch_up_burst", 1, ["rl.catch_up_burst", "1", "true or false"]),
    ("rl.log_std_min", 3.0, ["rl.log_std_min", "3.0", "log_std_max"]),
    ("rl.critic_target_aggregation", "max", ["rl.critic_target_aggregation", "'max'", "min_of_random_two"]),
    ("rl.guard.displacement", 0, ["rl.guard.displacement", "0", "more than 0"]),
    ("rl.guard.backoff", True, ["rl.guard.backoff", "did you mean 'back_off'?"]),
    ("rl.human_chunks", "learn", ["rl.human_chunks", "'learn'", "exclude, invert"]),
    ("rl.human_match.position_m", -1, ["rl.human_match.position_m", "-1", "more than 0 m"]),
    ("rate_hz", ..., ["rate_hz", "missing"]),
    ("rate_hz", -1, ["rate_hz", "-1", "more than 0 and at most 1000 Hz"]),
    ("observation", None, ["observation", "not a mapping"]),
    ("observation.steps", 4, ["observation.steps", "4", "at least 1 and at most 3"]),
    ("observation.cameras", "third_view", ["observation.cameras", "not a list"]),
    ("observation.cameras.0.crop_height", 111, ["cameras[0].crop_height", "111", "height = 110"]),
    ("observation.lead_steps", 17, ["observation.lead_steps", "17", "chunk = 16"]),
    ("action.dim", 8, ["action.dim", "8", "= 7"]),
    ("action.rotation", "rotvek", ["action.rotation", "'rotvek'", "did you mean 'rotvec'?", "quat"]),
    ("action.reference_quat_wxyz", [1, 0, 0], ["action.reference_quat_wxyz", "3 elements", "4"]),
    ("action.reference_quat_wxyz", [1, 1, 0, 0], ["action.reference_quat_wxyz", "norm 1.414"]),
    ("policy.unet_widths", [30], ["policy.unet_widths", "30", "groups = 8"]),
    ("policy.unet_widths", [], ["policy.unet_widths", "empty"]),
    ("policy.kernel_size", 4, ["policy.kernel_size", "4", "odd"]),
    ("policy.sampling", [1.0, 0.5], ["policy.sampling", "fall from 1 to 0"]),
    ("policy.pooling", "max", ["policy.pooling", "'max'", "average, flatten"]),
    ("horizon_steps", 8, ["horizon_steps", "8", "chunk = 16"]),
    ("region", [], ["region", "not a mapping"]),
]


@pytest.mark.parametrize(("key", "value", "said"), TASK_ERRORS, ids=[f"{k}={v}" for k, v, _ in TASK_ERRORS])
def test_a_bad_task_names_file_key_value_and_what_is_allowed(
    tmp_path: Path, key: str, value: Any, said: list[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(_with(load_task("place_orange").to_dict(), key, value)))
    with pytest.raises(ConfigError) as error:
        load_task(file)
    for text in [str(file), *said]:
        assert text in str(error.value)


def test_clamped_targets_are_refused_with_dense_rewards() -> None:
    data = _with(load_task("door").to_dict(), "rl.clamp_targets", True)
    with pytest.raises(ConfigError, match=r"rl\.clamp_targets.*dense_reward"):
        TaskConfig.from_dict(data)


def test_a_persons_chunk_is_only_inverted_where_it_has_poses() -> None:
    data = _with(load_task("door").to_dict(), "rl.human_chunks", "invert")
    with pytest.raises(ConfigError, match=r"rl\.human_chunks.*action\.rotation is none"):
        TaskConfig.from_dict(data)


RIG_ERRORS = [
    ("arms.0.model", "xarm8", ["arms[0].model", "'xarm8'", "did you mean 'xarm", "fer"]),
    ("arms.0.model", "lite6", ["arms[0].model", "lite6", "driver sim moves xarm6"]),
    ("arms.0.driver", "xarm", ["arms[0].address", "IP address"]),
    ("arms.0.address", "1.2.3.4", ["arms[0].address", "1.2.3.4", "sim"]),
    ("arms.0.homing.joints_rad", [0.0] * 7, ["arms[0].homing.joints_rad", "7 joints", "xarm6 has 6"]),
    ("arms.0.homing.joints_rad", [9.0] * 6, ["arms[0].homing.joints_rad[0]", "9.0", "6.2832"]),
    ("arms.0.workspace.min_m", [1.0, 0.0, 0.0], ["arms[0].workspace.min_m", "x = 1.0"]),
    ("arms.0.gripper.min_width_m", 0.15, ["arms[0].gripper.min_width_m", "0.15", "max_width_m"]),
    ("arms.0.workspace", None, ["arms[0].workspace: null", "min_m (required), max_m (required), keep_out"]),
    ("arms.0.workspace.max_m", [1000.0, 1.0, 1.0], ["arms[0].workspace.max_m[0]", "1000", "at most 1.5 m"]),
    ("arms.0.workspace.tolerance_m", 50.0, ["workspace.tolerance_m: 50", "at most 0.1 m"]),
    ("arms.0.limits.linear_velocity_m_s", 1000.0, ["linear_velocity_m_s: 1000", "at most 3 m/s"]),
    ("arms.0.limits.angular_velocity_rad_s", 1000.0, ["angular_velocity_rad_s: 1000", "at most 8 rad/s"]),
    ("arms.0.limits.linear_acceleration_m_s2", 1e4, ["linear_acceleration_m_s2", "at most 50 m/s^2"]),
    ("arms.0.limits.linear_jerk_m_s3", 1e7, ["linear_jerk_m_s3", "at most 50000 m/s^3"]),
    ("arms.0.limits.joint_velocity_rad_s", 1000.0, ["joint_velocity_rad_s: 1000", "at most 5.3 rad/s"]),
    ("arms.0.limits.jump_m", 100.0, ["limits.jump_m: 100", "at most 0.2 m"]),
    ("arms.0.limits.tracking_m", 100.0, ["limits.tracking_m: 100", "at most 0.2 m"]),
    ("arms.0.watchdog_s", 3600.0, ["arms[0].watchdog_s: 3600", "at most 2 s"]),
    ("arms.0.homing.velocity_rad_s", 1000.0, ["homing.velocity_rad_s: 1000", "at most 2 rad/s"]),
    ("arms.0.homing.tolerance_rad", 3.0, ["homing.tolerance_rad: 3", "at most 0.1 rad"]),
    ("arms", [], ["arms", "at least one arm"]),
    ("arms.0.gripper.kind", "franka_hand", ["arms[0].gripper.kind", "driver sim knows tongs"]),
    ("arms.0.xarm", {}, ["arms[0].xarm", "no meaning for driver sim"]),
    ("arms.0.workspace.keep_out", [{"name": "post", "min_m": [0, 0, 1], "max_m": [1, 1, 1]}], ["z = 1"]),
    ("cameras.0.crop", [0, 0, 200, 100], ["cameras[0].crop", "128x128"]),
    ("cameras.0.driver", "realsense", ["cameras[0].device", "realsense"]),
    ("proprioception.1", "arm/gripper", ["proprioception[1]", "did you mean 'arm/gripper_width_m'?"]),
    ("simulation", None, ["simulation", "required"]),
]


@pytest.mark.parametrize(("key", "value", "said"), RIG_ERRORS, ids=[f"{k}={v}" for k, v, _ in RIG_ERRORS])
def test_a_bad_rig_names_file_key_value_and_what_is_allowed(
    tmp_path: Path, key: str, value: Any, said: list[str]
) -> None:
    data = load_rig("sim_xarm6").to_dict()
    if key == "proprioception.1":
        data["proprioception"][1] = value
    else:
        data = _with(data, key, value)
    file = tmp_path / "cell.yaml"
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError) as error:
        load_rig(file)
    for text in [str(file), *said]:
        assert text in str(error.value)


def test_unknown_names_list_what_exists() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown task 'place_ornge'; did you mean 'place_orange'\?.*flip_egg"
    ):
        load_task("place_ornge")
    with pytest.raises(ConfigError, match=r"unknown rig 'sim_xarm'; did you mean 'sim_xarm6'\?"):
        load_rig("sim_xarm")
    with pytest.raises(ConfigError, match=r"/no/such\.yaml: no such task file"):
        load_task("/no/such.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not valid YAML"),
        ("- 1", "must hold keys and values"),
        ("", "must hold keys and values"),
        ("name: a\nname: b", "'name' stands twice"),
        ("extends: [can]", "extends: \\['can'\\] is not the name"),
        ("extends: nothing", "unknown task 'nothing'"),
        ("extends: bad", "extends: goes in a circle"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_task(file)


def test_a_file_that_extends_another_is_blamed_for_its_own_keys_only(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("extends: place_orange\nrl:\n  gamma: 3\n")
    with pytest.raises(ConfigError, match=rf"{file}: rl\.gamma: 3 is out of range"):
        load_task(file)
    parent = tmp_path / "parent.yaml"
    parent.write_text(yaml.safe_dump(_with(load_task("can").to_dict(), "rl.gamma", 3)))
    file.write_text("extends: parent\nrl:\n  utd: 7\n")
    with pytest.raises(ConfigError, match=rf"{parent}: rl\.gamma: 3"):
        load_task(file)


def test_extends_merges_mappings_and_replaces_lists(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "extends: open_box\nname: mine\nrl: {utd: 3}\nobservation:\n  cameras:\n"
        "    - {name: only, height: 64, width: 64, crop_height: 60, crop_width: 60}\n"
    )
    task, parent = load_task(file), load_task("open_box")
    assert [camera.name for camera in task.observation.cameras] == ["only"]
    assert task.rl == dataclasses.replace(parent.rl, utd=3)
    assert task.action == parent.action


def test_config_dir_from_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "can.yaml").write_text(yaml.safe_dump({**load_task("can").to_dict(), "rate_hz": 7}))
    monkeypatch.setenv("ZPRL_CONFIG_DIR", str(tmp_path))
    assert load_task("can").rate_hz == 7
    assert load_task("square").rate_hz == 20


def test_scientific_notation_is_a_number(tmp_path: Path) -> None:
    file = tmp_path / "numbers.yaml"
    file.write_text("a: 1e-4\nb: 3E5\nc: -1.5e+2\nd: 1e\ne: 0x10\n")
    assert files.read_yaml(file) == {"a": 1e-4, "b": 3e5, "c": -150.0, "d": "1e", "e": 16}


def _settings(cls: type) -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    for field in dataclasses.fields(cls):
        yield f"{cls.__name__}.{field.name}", field


def _config_classes() -> list[type]:
    found: dict[str, type] = {}

    def walk(value: object) -> None:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            found[type(value).__name__] = type(value)
            for field in dataclasses.fields(value):
                walk(getattr(value, field.name))
        elif isinstance(value, tuple):
            for item in value:
                walk(item)

    walk(load_task("place_orange"))
    walk(load_rig("sim_xarm6"))
    return list(found.values())


@pytest.mark.parametrize("cls", _config_classes())
def test_every_key_is_described_and_says_where_its_default_comes_from(cls: type) -> None:
    for name, field in _settings(cls):
        assert METADATA_KEY in field.metadata, name
        meta = setting_of(field)
        assert meta.doc, name
        assert meta.source == "ours" or meta.source.startswith("paper "), name


@pytest.mark.parametrize(
    "key",
    [
        "temperature_lr",
        "critic_target_aggregation",
        "critic_actor_aggregation",
        "catch_up_burst",
        "clamp_targets",
    ],
)
def test_what_the_paper_leaves_open_is_marked_ours(key: str) -> None:
    fields = {f.name: f for f in dataclasses.fields(type(load_task("can").rl))}
    assert setting_of(fields[key]).source == "ours"


@pytest.mark.parametrize(
    ("critics", "target", "actor"),
    [
        (1, "min", "min"),
        (2, "min", "min"),
        (5, "min_of_random_two", "mean"),
        (10, "min_of_random_two", "mean"),
    ],
)
def test_aggregation_by_number_of_critics(critics: int, target: str, actor: str) -> None:
    rl = dataclasses.replace(load_task("can").rl, critics=critics)
    assert (rl.target_aggregation, rl.actor_aggregation) == (target, actor)


def test_fingerprint_and_differences() -> None:
    full = load_task("place_orange")
    same = dataclasses.replace(full, rl=dataclasses.replace(full.rl, utd=9))
    assert full.fingerprint() == same.fingerprint()
    assert full.differences(same) == []
    assert full.fingerprint("rl") != same.fingerprint("rl")
    assert full.differences(same, "rl") == ["rl.utd: 2, 9"]
    demo = load_task("place_orange_demo")
    assert "policy.resnet_width: 64, 16" in full.differences(demo)
    assert any("cameras[0].height" in line for line in full.differences(demo))
    with pytest.raises(ConfigError, match=r"rl\.nothing"):
        full.fingerprint("rl.nothing")


def test_chunks_per_episode_counts_the_cut_one() -> None:
    task = load_task("place_orange_demo")
    assert task.chunks_per_episode == math.ceil(task.horizon_steps / task.action.chunk)
    assert dataclasses.replace(task, horizon_steps=17).chunks_per_episode == 2
    assert task.tick_s == pytest.approx(1 / 30)


def test_both_place_orange_tasks_fit_the_simulated_rig() -> None:
    rig = load_rig("sim_xarm6")
    assert rig.proprio_dim == 7
    for name in ("place_orange", "place_orange_demo"):
        check_pair(rig, load_task(name))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rate_hz": 50.0}, "rate_hz.*2.4 servo periods"),
        ({"rate_hz": 240.0}, "rate_hz.*0.5 servo periods"),
    ],
)
def test_a_rate_that_does_not_divide_the_servo_rate_is_refused(change: dict[str, Any], said: str) -> None:
    task = dataclasses.replace(load_task("place_orange_demo"), **change)
    with pytest.raises(ConfigError, match=said):
        check_pair(load_rig("sim_xarm6"), task)


def test_a_task_of_another_cell_is_refused() -> None:
    rig = load_rig("sim_xarm6")
    with pytest.raises(ConfigError, match=r"no camera 'left_wrist'"):
        check_pair(rig, load_task("open_box"))
    task = load_task("place_orange")
    action = ActionConfig(dim=14, chunk=16, rotation="rotvec", arms=2)
    with pytest.raises(ConfigError, match=r"action\.arms: 2, the rig has 1"):
        check_pair(rig, dataclasses.replace(task, action=action))
    with pytest.raises(ConfigError, match=r"action\.repeat: 2 is for simulated benchmarks, allowed: 1"):
        check_pair(rig, dataclasses.replace(task, action=dataclasses.replace(task.action, repeat=2)))
    with pytest.raises(ConfigError, match=r"flip_egg does not fit rig sim_xarm6: scene: flip_egg"):
        check_pair(rig, dataclasses.replace(task, name="flip_egg", scene="flip_egg"))
    view = dataclasses.replace(task.observation, proprio_dim=9)
    with pytest.raises(ConfigError, match=r"observation\.proprio_dim: 9.*has 7"):
        check_pair(rig, dataclasses.replace(task, observation=view))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=8), inner, max_size=3),
                    max_leaves=6))  # fmt: skip
def test_any_data_is_a_task_or_a_config_error(data: object) -> None:
    try:
        loader.from_data(TaskConfig, data, loader.Place(lambda _: "fuzz"))
    except ConfigError as error:
        assert str(error).startswith("fuzz: ")


@given(st.sampled_from(["rl", "policy", "observation", "action", "pretrain", "bottleneck"]), st.data())
def test_any_value_of_any_key_is_accepted_or_a_config_error(section: str, data: st.DataObject) -> None:
    plain = load_task("place_orange").to_dict()
    key = data.draw(st.sampled_from(sorted(plain[section])))
    plain[section][key] = data.draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    )
    try:
        task = TaskConfig.from_dict(plain)
    except ConfigError as error:
        contradicts = {"arms": "arm(s)"}  # itself, or how it is called where another key contradicts it
        assert key in str(error) or contradicts.get(key, key) in str(error)
    else:
        assert TaskConfig.from_dict(task.to_dict()) == task


def test_config_loads_neither_torch_nor_ros() -> None:
    code = (
        "import sys\n"
        "from zprl_core import config, graph, start, summary, supervisor\n"
        "bad = {'torch', 'rclpy', 'tensorboard', 'mujoco', 'scipy'} & set(sys.modules)\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_extends_changes_a_list_of_named_things_by_name(tmp_path: Path) -> None:
    sim, cell = load_rig("xarm6_place_orange_sim"), load_rig("xarm6_place_orange")
    assert sim.arms == (dataclasses.replace(cell.arms[0], address="127.0.0.2"),)
    assert (sim.cameras[0].driver, sim.cameras[0].rate_hz) == ("sim", cell.cameras[0].rate_hz)
    file = tmp_path / "mine.yaml"
    file.write_text("extends: xarm6_place_orange\narms: {arn: {address: 127.0.0.2}}\n")
    with pytest.raises(ConfigError, match=rf"{file}: arms\.arn: there is none.*did you mean 'arm'\?"):
        load_rig(file)
    file.write_text("extends: xarm6_place_orange\narms: {arm: {servo_rate_hz: 250}}\n")
    with pytest.raises(ConfigError, match=rf"{file}: arms\[0\]\.servo_rate_hz: 250.*100 Hz of cartesian"):
        load_rig(file)


def test_a_calibration_beside_the_rigs_gives_the_delays(tmp_path: Path) -> None:
    rigs, calibrations = tmp_path / "rigs", tmp_path / "calibrations"
    rigs.mkdir()
    calibrations.mkdir()
    file = rigs / "cell.yaml"
    data = {**load_rig("sim_xarm6").to_dict(), "name": "cell"}
    del data["calibration"]
    file.write_text(yaml.safe_dump(data))
    assert load_rig(file).calibration is None
    measured = calibrations / "cell.yaml"
    measured.write_text(
        "{id: a1, measured: today, cameras: [{name: third_view, delay_s: 0.02}], "
        "arms: [{name: arm, delay_s: 0.08}], proprioception_delay_s: 0.004, planning_s: 0.09}"
    )
    rig = load_rig(file)
    assert (rig.cameras[0].delay_s, rig.proprioception_delay_s) == (0.02, 0.004)
    assert rig.arms[0].delay_s == 0.08
    with pytest.raises(ConfigError, match=r"lead_steps: 2, but planning takes 0\.090 s.*a1.*needs 3"):
        check_pair(rig, load_task("place_orange_demo"))
    measured.write_text("{id: a1, measured: today, cameras: [{name: thrid_view, delay_s: 0.02}]}")
    with pytest.raises(ConfigError, match=r"no camera 'thrid_view'.*did you mean 'third_view'"):
        load_rig(file)
