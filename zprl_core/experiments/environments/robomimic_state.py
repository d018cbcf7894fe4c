# SPDX-License-Identifier: Apache-2.0
"""Robomimic's observations as numbers, by the names that its datasets use.

Positions are in the world frame (m). Quaternions are (x, y, z, w), robosuite's order. Read from MuJoCo at
once: robosuite 1.5's own observables of an object relative to the gripper are one reading late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core import transforms
from zprl_core.transforms import Pose

Parts = dict[str, NDArray[np.float64]]
PEG_TOP_M = 0.1
"""From a peg's origin to its upper end."""


def parts(environment: Any) -> Mapping[str, NDArray[np.float64]]:
    """Everything that there is to know about a robosuite environment, by name.

    - robot0_eef_pos (3), robot0_eef_quat (4, of the hand), robot0_eef_quat_site (4, of the grip site),
      robot0_gripper_qpos (2, m: one finger's is positive, the other's negative); robot1_... of a second arm
    - NutAssemblySquare: SquareNut_pos, SquareNut_quat; SquareNut_to_robot0_eef_pos and
      SquareNut_to_robot0_eef_quat, in the gripper's frame; SquareNut_handle_pos (ours: its handle's middle);
      peg_top_pos (ours)
    - PickPlaceCan: the same four of Can, and target_bin_pos (ours: the middle of its compartment's floor)
    - TwoArmTransport: the poses of payload, trash and lid_handle, target_bin_pos, trash_bin_pos,
      payload_in_target_bin, trash_in_trash_bin (1), gripper0_to_payload, gripper0_to_lid_handle,
      gripper1_to_payload, gripper1_to_trash (in the world's axes)
    - object: what Robomimic's `object` holds, in the order of its datasets (14, 14 and 41 numbers)
    """
    data = environment.sim.data._data
    found: Parts = {}
    for index in range(len(environment.robots)):
        found |= _arm(data, index)
    name = type(environment).__name__
    if name == "TwoArmTransport":
        return found | _transport(environment.transport, found)
    if name == "NutAssemblySquare":
        peg = np.add(data.body("peg1").xpos, (0.0, 0.0, PEG_TOP_M))
        handle = np.array(data.site("SquareNut_handle_site").xpos)
        return found | _thing(data, "SquareNut", found) | {"SquareNut_handle_pos": handle, "peg_top_pos": peg}
    target = np.array(environment.target_bin_placements[environment.object_id], dtype=np.float64)
    return found | _thing(data, "Can", found) | {"target_bin_pos": target}


def _arm(data: Any, index: int) -> Parts:
    hand, site = data.body(f"robot{index}_right_hand"), data.site(f"gripper{index}_right_grip_site")
    fingers = [data.joint(f"gripper{index}_right_finger_joint{number}").qpos[0] for number in (1, 2)]
    name = f"robot{index}_"
    return {
        f"{name}eef_pos": np.array(site.xpos),
        f"{name}eef_quat": np.roll(hand.xquat, -1),
        f"{name}eef_quat_site": _xyzw(transforms.quaternion_from_matrix(site.xmat.reshape(3, 3))),
        f"{name}gripper_qpos": np.array(fingers),
    }


def _thing(data: Any, name: str, arm: Parts) -> Parts:
    """The pose of an object in the world and in the gripper's frame."""
    body = data.body(f"{name}_main")
    gripper = Pose(arm["robot0_eef_pos"], np.roll(arm["robot0_eef_quat"], 1))
    relative = gripper.inverse().compose(Pose(body.xpos, body.xquat))
    found = {
        f"{name}_pos": np.array(body.xpos),
        f"{name}_quat": np.roll(body.xquat, -1),
        f"{name}_to_robot0_eef_pos": np.array(relative.position),
        f"{name}_to_robot0_eef_quat": _xyzw(relative.quaternion),
    }
    return found | {"object": np.concatenate(list(found.values()))}


def _transport(group: Any, arms: Parts) -> Parts:
    found = {
        name: np.array(getattr(group, name), dtype=np.float64).reshape(-1)
        for name in (
            "payload_pos",
            "payload_quat",
            "trash_pos",
            "trash_quat",
            "lid_handle_pos",
            "lid_handle_quat",
            "target_bin_pos",
            "trash_bin_pos",
            "payload_in_target_bin",
            "trash_in_trash_bin",
        )
    }
    for index, name in ((0, "payload"), (0, "lid_handle"), (1, "payload"), (1, "trash")):
        found[f"gripper{index}_to_{name}"] = found[f"{name}_pos"] - arms[f"robot{index}_eef_pos"]
    return found | {"object": np.concatenate(list(found.values()))}


def _xyzw(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """(w, x, y, z) -> (x, y, z, w) with w of 0 or more, as robosuite reads quaternions from matrices."""
    return np.roll(quaternion if quaternion[0] >= 0.0 else -quaternion, -1)
