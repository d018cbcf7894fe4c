"""The cells of two Frankas: `zprl` starts controllers, grippers and pictures, and both arms play."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
import yaml

from tests.hardware.franka import require_simulators
from tests.ros import training
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.base import new_model, save_base
from zprl_core.config import RigConfig, TaskConfig, load_rig, load_task
from zprl_core.kinematics import ArmKinematics
from zprl_core.records import read_records

CHUNKS = 3
PATIENCE_S = 2.0  # two controllers, two drivers and a policy share what may be two cores
REACH = {"position": 0.0005, "rotation": 0.001, "gripper": 0.0005}
HOMING_RAD_S, CAMERA_HZ = 0.12, 10
"""Gentle: with two cores for all of it the simulated controllers' time passes at a third of ours, and what is
asked of them is three times as fast to them."""
HOMING_STIFFNESS, HOMING_RAD = 100.0, 0.1
"""A sixth of the rig's: torques that come 10 ms late make the wrist swing under the rig's impedance until the
controller's reflex stops it, and a full machine serves the drivers' control loops that late."""
CAMERAS = ("third_view", "left_wrist", "right_wrist")


def small_task(folder: Path, name: str) -> Path:
    """The cell's task with small images and networks, for episodes of a few chunks."""
    task = load_task(name)
    views = [{"name": n, "height": 36, "width": 48, "crop_height": 32, "crop_width": 44} for n in CAMERAS]
    small = {
        "extends": name,
        "name": f"small_{name}",
        "smaller_than_paper": "images, networks, horizon",
        "horizon_steps": CHUNKS * task.action.chunk,
        "observation": {"cameras": views, "lead_steps": 12, "max_age_s": PATIENCE_S},
        "policy": {"resnet_width": 8, "unet_widths": [16, 32], "image_embedding": 16},
        "bottleneck": {"hidden": 32, "latent_dim": 4},
        "rl": {"warmup_chunks": 4, "batch_size": 8, "hidden": 32},
    }
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(small))
    return path


def patient_rig(folder: Path, name: str) -> Path:
    """The cell at addresses and ports of its own, for a machine that does other things too."""
    pid = os.getpid()
    arms = {
        arm.name: {
            "address": f"127.{150 + pid // 256 % 50}.{pid % 256}.{number + 1}",
            "watchdog_s": PATIENCE_S,
            "lease_s": PATIENCE_S,
            "franka": {
                "translational_stiffness": 800.0,
                "rotational_stiffness": 30.0,
                "homing_stiffness": HOMING_STIFFNESS,
            },
            "homing": {"velocity_rad_s": HOMING_RAD_S, "tolerance_rad": HOMING_RAD},
            "gripper": {"port": str(folder / f"{arm.name}_gripper")},
        }
        for number, arm in enumerate(load_rig(name).arms)
    }
    cameras = {
        camera: {"device": str(folder / "pictures" / camera), "rate_hz": CAMERA_HZ} for camera in CAMERAS
    }
    path = folder / "rig.yaml"
    path.write_text(yaml.safe_dump({"extends": name, "name": "patient", "arms": arms, "cameras": cameras}))
    return path


def base_near_home(folder: Path, rig: RigConfig, task: TaskConfig) -> Path:
    """An untrained base policy that keeps both arms within some mm of their homes."""
    homes, joints = [], []
    for arm in rig.arms:
        assert arm.gripper is not None
        pose = ArmKinematics(arm.model, arm.tool).forward(arm.homing.joints_rad)
        width = np.array([arm.gripper.max_width_m])
        homes.append(ArmWaypoints(pose.position[None], pose.quaternion[None], width))
        joints += [*arm.homing.joints_rad, arm.gripper.max_width_m]
    home = torch.from_numpy(ActionCodec.from_config(task.action).encode(homes)[0]).float()
    one_arm = [REACH["position"]] * 3 + [REACH["rotation"]] * 4 + [REACH["gripper"]]
    reach, q = torch.tensor(one_arm * len(rig.arms)), torch.tensor(joints)
    model = new_model(task, 0)
    model.policy.fit_normalizers(torch.stack([home - reach, home + reach]), torch.stack([q - 0.1, q + 0.1]))
    path = folder / "base.ckpt"
    save_base(path, model, task, {})
    return path


def test_a_session_at_a_cell_of_two_frankas(tmp_path: Path) -> None:
    require_simulators()
    name = "open_box"
    task, rig = small_task(tmp_path, name), patient_rig(tmp_path, f"dual_{name}_sim")
    base = base_near_home(tmp_path, load_rig(str(rig)), load_task(str(task)))
    words = ["--rig", str(rig), "--task", str(task), "--policy", str(base), "--episodes", "1"]
    done = training.zprl("evaluate", *words, "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    episodes = read_records(tmp_path / "run" / "episodes.jsonl")
    assert sorted((e.block, e.outcome, e.chunks) for e in episodes) == [  # in an order that the seed draws
        ("base_c", "horizon", CHUNKS),
        ("base_z", "horizon", CHUNKS),
    ]
