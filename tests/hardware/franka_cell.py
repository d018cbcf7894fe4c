"""A small Flip Egg before a simulated Franka controller: a task, demonstrations, pictures, and a rig.

The demonstrations are loops through the arm's home, each a little different, so that where the arm is and was
tells where it goes next: what a tiny policy learns in seconds.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from tests.hardware.franka import SOFT
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import ArmConfig, TaskConfig, load_rig, load_task
from zprl_core.kinematics import ArmKinematics
from zprl_core.transforms import Pose, quaternion_from_rotvec, quaternion_multiply

CELL = "franka_flip_egg_sim"
PICTURES, SIZE = 4, (480, 640)
LOOP_S, RISE_S = 4.8, 0.8
SWING_M, LIFT_M, TILT_RAD = 0.06, 0.05, 0.15
TASK = {
    "extends": "flip_egg",
    "name": "small_flip_egg",
    "smaller_than_paper": "images, networks, training; loops in the air for a flip",
    "observation": {
        "cameras": [{"name": "third_view", "height": 48, "width": 48, "crop_height": 44, "crop_width": 44}],
        "lead_steps": 3,
        "max_age_s": 1.0,
    },
    "policy": {"resnet_width": 8, "unet_widths": [32, 64], "image_embedding": 16},
    "bottleneck": {
        "hidden": 64,
        "latent_dim": 16,
        "steps": 200,
        "batch_size": 64,
        "evaluate_every": 100,
        "random_crops": 0,
    },
    "pretrain": {"max_steps": 400, "batch_size": 32, "learning_rate": 1e-3, "warmup_steps": 50},
    "evaluation": {"episodes": 1},
}


def write_task(folder: Path, chunks: int) -> Path:
    """The task's file, for episodes of so many chunks."""
    horizon = chunks * load_task("flip_egg").action.chunk
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump({**TASK, "horizon_steps": horizon}))
    return path


def write_pictures(folder: Path) -> Path:
    """A folder of pictures for a camera that plays them."""
    folder.mkdir()
    for index in range(PICTURES):
        cv2.imwrite(str(folder / f"{index:03d}.png"), _picture(index))
    return folder


def write_rig(folder: Path, address: str, pictures: Path) -> Path:
    """The simulated cell at a controller's address, patient and soft, as a busy machine needs it."""
    soft = {
        "translational_stiffness": SOFT.translational_stiffness,
        "rotational_stiffness": SOFT.rotational_stiffness,
    }
    changes = {
        "extends": CELL,
        "name": "small_flip_egg",
        "arms": {
            "arm": {
                "address": address,
                "watchdog_s": 0.6,
                "franka": soft,
            }
        },
        "cameras": {"third_view": {"device": str(pictures)}},
    }
    path = folder / "rig.yaml"
    path.write_text(yaml.safe_dump(changes))
    return path


def write_demonstrations(folder: Path, task: TaskConfig, episodes: int = 24, seconds: float = 12.0) -> Path:
    """A dataset folder of loops."""
    folder.mkdir()
    (arm,), rng, entries = load_rig(CELL).arms, np.random.default_rng(0), []
    for number in range(episodes):
        arrays = _demonstration(arm, task, round(seconds * task.rate_hz), rng)
        name = f"episode_{number:05d}.npz"
        np.savez(folder / name, allow_pickle=False, **arrays)
        entries.append({"file": name, "steps": len(arrays["stamp_ns"])})
    (view,) = task.observation.cameras
    index = {
        "format": 1,
        "task": task.name,
        "rate_hz": task.rate_hz,
        "cameras": {view.name: [view.height, view.width]},
        "proprio_dim": task.observation.proprio_dim,
        "action_dim": task.action.dim,
        "episodes": entries,
    }
    (folder / "dataset.json").write_text(json.dumps(index))
    return folder


def _demonstration(
    arm: ArmConfig, task: TaskConfig, ticks: int, rng: np.random.Generator
) -> dict[str, NDArray[np.generic]]:
    kinematics, joints = ArmKinematics(arm.model, arm.tool), np.array(arm.homing.joints_rad)
    way = _loops(kinematics.forward(joints), np.arange(ticks + 1) / task.rate_hz, rng)
    angles = []
    for position, quaternion in zip(way.position, way.quaternion, strict=True):
        found = kinematics.inverse(Pose(position, quaternion), joints)
        assert found is not None
        joints = found
        angles.append(joints)
    (view,) = task.observation.cameras
    pictures = np.array(
        [cv2.resize(_picture(i)[:, 80:560], (view.width, view.height)) for i in range(PICTURES)]
    )
    goals = ArmWaypoints(way.position[1:], way.quaternion[1:])
    return {
        f"image_{view.name}": pictures[np.arange(ticks) % PICTURES],
        "proprio": np.array(angles[:-1], dtype=np.float32),
        "action": ActionCodec.from_config(task.action).encode([goals]).astype(np.float32),
        "stamp_ns": np.arange(ticks, dtype=np.int64) * round(1e9 / task.rate_hz),
    }


def _loops(home: Pose, t_s: NDArray[np.float64], rng: np.random.Generator) -> ArmWaypoints:
    """Round and round through home, from rest, with a tilt that goes with it."""
    turned = np.where(t_s < RISE_S, t_s**2 / (2.0 * RISE_S), t_s - RISE_S / 2.0) * 2.0 * np.pi / LOOP_S
    swing, lift = SWING_M * rng.uniform(0.9, 1.1), LIFT_M * rng.uniform(0.9, 1.1)
    offset = np.stack((0.0 * t_s, swing * np.sin(turned), lift * (1.0 - np.cos(turned))), axis=1)
    offset += rng.normal(0.0, 0.003, 3)
    tilts = [quaternion_from_rotvec((TILT_RAD * np.sin(each), 0.0, 0.0)) for each in turned]
    return ArmWaypoints(
        home.position + offset, np.array([quaternion_multiply(t, home.quaternion) for t in tilts])
    )


def _picture(index: int) -> NDArray[np.uint8]:
    """Blurred noise, (480, 640, 3)."""
    noise = np.random.default_rng(index).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
