# SPDX-License-Identifier: Apache-2.0
"""How another dataset writes an absolute action, and how the task does.

Arm after arm: position (3, m), rotation, gripper (1, where the task has one), all in the arm's base frame.
The rotation of the tool in the base frame is written as

    rotvec      3: axis times angle, rad (robosuite's OSC_POSE with control_delta off)
    rot6d       6: the first two columns of the matrix, one after the other
    rot6d_rows  6: the first two rows (PyTorch3D, and so diffusion_policy's arrays)
    quat_wxyz   4
    quat_xyzw   4 (robosuite, SciPy)
    task        what the task's `ActionCodec` writes, relative to its reference orientation: handed through

and the gripper as a width in m, or as a command that a `GripperScale` explains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zprl_core import transforms
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.data.formats.choices import ROTATION_FORMS, RotationForm
from zprl_core.data.formats.gripper import GripperScale
from zprl_core.errors import ConfigError, DataError
from zprl_core.transforms import Array

_WIDTHS = {"rotvec": 3, "rot6d": 6, "rot6d_rows": 6, "quat_wxyz": 4, "quat_xyzw": 4}


@dataclass(frozen=True)
class ActionForm:
    """Turns another dataset's actions into the task's (`forward`) and back (`inverse`).

    Attributes:
        codec: the task's.
        rotation: one of ROTATION_FORMS.
        gripper: None: the gripper's number is handed through.

    Raises:
        ConfigError: an unknown rotation, or one that is not "task" where the task's actions are no poses.
    """

    codec: ActionCodec
    rotation: RotationForm = "task"
    gripper: GripperScale | None = None

    def __post_init__(self) -> None:
        if self.rotation not in ROTATION_FORMS:
            allowed = ", ".join(ROTATION_FORMS)
            raise ConfigError(f"--action-rotation {self.rotation}: unknown, allowed: {allowed}")
        if self.codec.rotation == "none" and (self.rotation != "task" or self.gripper is not None):
            raise ConfigError(
                f"--action-rotation {self.rotation}: the task's actions have rotation 'none', they are no "
                "poses and are handed through: use --action-rotation task, without a gripper"
            )
        if self.gripper is not None and not self.codec.gripper:
            raise ConfigError("--gripper-open: the task's actions have no gripper; leave it out")

    @property
    def arm_dim(self) -> int:
        """Numbers of one arm's part of the other dataset's action."""
        if self.rotation == "task":
            return self.codec.arm_dim
        return 3 + _WIDTHS[self.rotation] + int(self.codec.gripper)

    @property
    def dim(self) -> int:
        """Numbers of the other dataset's action."""
        return self.codec.dim if self.rotation == "task" else self.codec.arms * self.arm_dim

    def forward(self, actions: NDArray[np.floating]) -> NDArray[np.float32]:
        """(T, dim) of the other dataset -> float32 (T, da) of the task.

        Raises:
            DataError: another width, a number that is not finite, no rotation, or a gripper out of range.
        """
        actions = self._check(actions, self.dim, "action")
        if self.rotation == "task":
            return self._scaled(actions, None if self.gripper is None else self.gripper.forward)
        arms = [self._read_arm(part) for part in np.split(actions, self.codec.arms, axis=1)]
        return self.codec.encode(arms).astype(np.float32)

    def inverse(self, actions: NDArray[np.floating]) -> NDArray[np.float32]:
        """(T, da) of the task -> float32 (T, dim) of the other dataset.

        Raises:
            DataError: another width, a number that is not finite, no rotation, or a gripper out of range.
        """
        actions = self._check(actions, self.codec.dim, "the task's action")
        if self.rotation == "task":
            return self._scaled(actions, None if self.gripper is None else self.gripper.inverse)
        parts = [self._write_arm(arm) for arm in self.codec.decode(actions)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _check(self, actions: NDArray[np.floating], dim: int, what: str) -> Array:
        array = np.asarray(actions, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != dim or len(array) == 0:
            grip = "with" if self.codec.gripper else "without"
            raise DataError(
                f"{what}: shape {array.shape}, must be (T, {dim}): {self.codec.arms} arm(s) {grip} gripper, "
                f"rotation '{self.rotation}'; choose --action, or --action-rotation of: "
                + ", ".join(ROTATION_FORMS)
            )
        return transforms.finite(array, what)

    def _scaled(self, actions: Array, scale: Callable[[Array], Array] | None) -> NDArray[np.float32]:
        scaled = actions.copy()
        if scale is not None:
            for last in range(self.arm_dim - 1, self.codec.dim, self.arm_dim):
                scaled[:, last] = scale(actions[:, last])
        return scaled.astype(np.float32)

    def _read_arm(self, part: Array) -> ArmWaypoints:
        turn = part[:, 3 : 3 + _WIDTHS[self.rotation]]
        quaternion = transforms.make_continuous(_TO_QUATERNION[self.rotation](turn))
        grip = part[:, -1] if self.codec.gripper else None
        if grip is not None and self.gripper is not None:
            grip = self.gripper.forward(grip)
        return ArmWaypoints(part[:, :3], quaternion, grip)

    def _write_arm(self, arm: ArmWaypoints) -> Array:
        columns = [arm.position, _FROM_QUATERNION[self.rotation](arm.quaternion)]
        if arm.gripper_width is not None:
            width = arm.gripper_width
            columns.append((width if self.gripper is None else self.gripper.inverse(width))[:, None])
        return np.concatenate(columns, axis=1)


def _quaternion_from_rows(rows: Array) -> Array:
    """Two rows are the two columns of the inverse rotation."""
    return transforms.quaternion_conjugate(transforms.quaternion_from_rot6d(rows))


def _rows_from_quaternion(quaternion: Array) -> Array:
    return transforms.rot6d_from_quaternion(transforms.quaternion_conjugate(quaternion))


_TO_QUATERNION: dict[str, Callable[[Array], Array]] = {
    "rotvec": transforms.quaternion_from_rotvec,
    "rot6d": transforms.quaternion_from_rot6d,
    "rot6d_rows": _quaternion_from_rows,
    "quat_wxyz": transforms.normalise_quaternion,
    "quat_xyzw": lambda xyzw: transforms.normalise_quaternion(np.roll(xyzw, 1, axis=-1)),
}
_FROM_QUATERNION: dict[str, Callable[[Array], Array]] = {
    "rotvec": transforms.rotvec_from_quaternion,
    "rot6d": transforms.rot6d_from_quaternion,
    "rot6d_rows": _rows_from_quaternion,
    "quat_wxyz": transforms.make_continuous,
    "quat_xyzw": lambda wxyz: np.roll(transforms.make_continuous(wxyz), -1, axis=-1),
}
