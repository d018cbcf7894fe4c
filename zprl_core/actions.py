"""How the numbers of an action become end-effector poses, and back.

One waypoint is, arm after arm: ``position (3) | rotation (k) | gripper width (1, where there is a
gripper)``, all absolute in the arm's base frame, in m and rad. ``k`` is 3 for "rotvec", 6 for "rot6d", 4 for
"quat" (w, x, y, z). So the paper's tasks have 6 (Flip Egg: rotvec), 7 (Place Orange: rotvec and tongs), 10
an arm (Robomimic: rot6d and gripper) and 16 (bimanual cells: 2 x (3 + 4 + 1)). "none" (Adroit, Metaworld) is
handed through as it is.

Rotations are relative to a reference orientation, on its right: ``R_base_tcp = R_reference * R_action``.
With a reference that points the tool down, "tool down" is the identity and a rotation vector stays far from
its sign flip at pi.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike

from zprl_core import transforms
from zprl_core.errors import ConfigError, DataError
from zprl_core.transforms import Array

Rotation = Literal["none", "rotvec", "rot6d", "quat"]
_WIDTH: dict[str, int] = {"rotvec": 3, "rot6d": 6, "quat": 4}


@dataclass(frozen=True, eq=False)
class ArmWaypoints:
    """Waypoints of one arm, absolute in its base frame.

    Attributes:
        position: ``(H, 3)`` float64, m.
        quaternion: ``(H, 4)`` float64, unit, (w, x, y, z), no sign flips between neighbours.
        gripper_width: ``(H,)`` float64, m between the fingers, or None without a gripper.
    """

    position: Array
    quaternion: Array
    gripper_width: Array | None = None

    def __post_init__(self) -> None:
        steps = len(self.position)
        shapes: list[tuple[Array, tuple[int, ...], str]] = [
            (self.position, (steps, 3), "position"),
            (self.quaternion, (steps, 4), "quaternion"),
        ]
        if self.gripper_width is not None:
            shapes.append((self.gripper_width, (steps,), "gripper width"))
        for array, shape, name in shapes:
            if array.shape != shape:
                raise DataError(f"waypoints: {name} has shape {array.shape}, expected {shape}")

    def __len__(self) -> int:
        return len(self.position)


class ActionLayout(Protocol):
    """The part of a task's action configuration that an `ActionCodec` needs."""

    @property
    def dim(self) -> int:
        """Numbers of one waypoint."""
        ...

    @property
    def rotation(self) -> Rotation:
        """How a rotation is written."""
        ...

    @property
    def arms(self) -> int:
        """Arms that one action moves."""
        ...

    @property
    def gripper(self) -> bool:
        """Whether each arm has a gripper width."""
        ...

    @property
    def reference_quat_wxyz(self) -> Sequence[float]:
        """What the identity rotation stands for."""
        ...


@dataclass(frozen=True)
class ActionCodec:
    """Turns action chunks ``(H, dim)`` into per-arm waypoints (`decode`) and back (`encode`).

    Attributes:
        rotation: "none", "rotvec", "rot6d" or "quat".
        arms: number of arms in one action.
        gripper: whether each arm's part ends with a gripper width.
        reference_quat_wxyz: the orientation that the identity rotation stands for (made unit length).
        raw_dim: width of an action whose rotation is "none"; not to be given otherwise.

    Raises:
        ConfigError: an unknown rotation, no arm, a reference that is no rotation, or `raw_dim` missing or in
        excess.
    """

    rotation: Rotation
    arms: int = 1
    gripper: bool = False
    reference_quat_wxyz: tuple[float, float, float, float] = transforms.IDENTITY_QUATERNION
    raw_dim: int | None = None

    def __post_init__(self) -> None:
        if self.rotation not in get_args(Rotation):
            raise ConfigError(f"action.rotation: {self.rotation!r}, allowed: {', '.join(get_args(Rotation))}")
        if self.arms < 1:
            raise ConfigError(f"action.arms: {self.arms}, allowed: 1 or more")
        if (self.rotation == "none") != (self.raw_dim is not None) or (self.raw_dim or 1) < 1:
            raise ConfigError(
                f"action.dim: {self.raw_dim}; rotation {self.rotation!r} needs "
                + ("it, 1 or more" if self.rotation == "none" else "none: it follows from the layout")
            )
        try:
            reference = transforms.normalise_quaternion(self.reference_quat_wxyz)
        except DataError as error:
            raise ConfigError(f"action.reference_quat_wxyz: {self.reference_quat_wxyz}: {error}") from error
        object.__setattr__(self, "reference_quat_wxyz", tuple(float(v) for v in reference))

    @classmethod
    def from_config(cls, action: ActionLayout) -> ActionCodec:
        """The codec of a task's action configuration.

        Raises:
            ConfigError: `action.dim` is not what the layout adds up to.
        """
        raw = action.dim if action.rotation == "none" else None
        reference = transforms.finite(action.reference_quat_wxyz, "action.reference_quat_wxyz", 4)
        w, x, y, z = (float(v) for v in reference)
        codec = cls(action.rotation, action.arms, action.gripper, (w, x, y, z), raw)
        if codec.dim != action.dim:
            raise ConfigError(
                f"action.dim: {action.dim}, but {action.arms} arm(s) with rotation {action.rotation!r} "
                f"and gripper {action.gripper} make {codec.dim}"
            )
        return codec

    def to_dict(self) -> dict[str, Any]:
        """Plain data; `raw_dim` is the action's width."""
        return {
            "rotation": self.rotation,
            "arms": self.arms,
            "gripper": self.gripper,
            "reference_quat_wxyz": list(self.reference_quat_wxyz),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], dim: int) -> ActionCodec:
        """The inverse of `to_dict`, of actions of this width.

        Raises:
            LookupError, TypeError, ValueError: it is no such data. ConfigError: its values mean nothing.
        """
        w, x, y, z = (float(value) for value in data["reference_quat_wxyz"])
        raw = dim if data["rotation"] == "none" else None
        return cls(data["rotation"], int(data["arms"]), bool(data["gripper"]), (w, x, y, z), raw)

    def means_the_same(self, other: ActionCodec) -> bool:
        """Whether the other one makes the same poses of the same numbers."""
        alike = np.allclose(self.reference_quat_wxyz, other.reference_quat_wxyz, atol=1e-9)
        return bool(alike) and replace(self, reference_quat_wxyz=other.reference_quat_wxyz) == other

    @property
    def arm_dim(self) -> int:
        """Numbers of one arm's part of a waypoint ("none": of the whole waypoint)."""
        return self.raw_dim if self.raw_dim is not None else 3 + _WIDTH[self.rotation] + int(self.gripper)

    @property
    def dim(self) -> int:
        """Numbers of one waypoint."""
        return self.arm_dim if self.rotation == "none" else self.arms * self.arm_dim

    def single_arm(self) -> ActionCodec:
        """The codec of one arm's part, which is what an arm's bridge receives."""
        return ActionCodec(self.rotation, 1, self.gripper, self.reference_quat_wxyz, self.raw_dim)

    def check(self, actions: ArrayLike) -> Array:
        """``actions`` as float64 ``(H, dim)``, H at least 1; for "none" this is all the decoding there is.

        Raises:
            DataError: a non-finite number or a wrong shape.
        """
        array = transforms.finite(actions, "action chunk", self.dim)
        if array.ndim != 2 or len(array) == 0:
            raise DataError(
                f"action chunk: shape {array.shape}, expected (H, {self.dim}) with H of 1 or more"
            )
        return array

    def split(self, actions: ArrayLike) -> tuple[Array, ...]:
        """``(H, dim)`` -> for each arm its part ``(H, arm_dim)``."""
        array = self.check(actions)
        return tuple(np.split(array, self.dim // self.arm_dim, axis=1))

    def decode(self, actions: ArrayLike) -> tuple[ArmWaypoints, ...]:
        """``(H, dim)`` -> one `ArmWaypoints` per arm.

        Raises:
            DataError: non-finite numbers, a wrong shape, numbers that name no rotation, or rotation "none".
        """
        self._refuse_raw()
        return tuple(self._decode_arm(part) for part in self.split(actions))

    def encode(self, waypoints: Sequence[ArmWaypoints]) -> Array:
        """One `ArmWaypoints` per arm -> ``(H, dim)``, the inverse of `decode`.

        Raises:
            DataError: a wrong number of arms, different lengths, a missing gripper, or rotation "none".
        """
        self._refuse_raw()
        lengths = {len(arm) for arm in waypoints}
        if len(waypoints) != self.arms or len(lengths) != 1:
            raise DataError(
                f"waypoints: {len(waypoints)} arm(s) of lengths {sorted(lengths)}, expected {self.arms} "
                "arm(s) of one length"
            )
        return self.check(np.concatenate([self._encode_arm(arm) for arm in waypoints], axis=1))

    def turns(self, actions: ArrayLike) -> Array:
        """How far each waypoint of actions ``(N, dim)`` is turned from the reference, rad, 0 to pi:
        ``(N, arms)``; ``(N, 0)`` where rotations have no place at which they change their sign.

        Raises:
            DataError: see `decode`.
        """
        parts = self.split(actions)
        if self.rotation not in _FLIPPING:
            return np.empty((len(parts[0]), 0))
        width = _WIDTH[self.rotation]
        relative = [_TO_QUATERNION[self.rotation](part[:, 3 : 3 + width]) for part in parts]
        return np.stack(
            [transforms.angle_between(q, transforms.IDENTITY_QUATERNION) for q in relative], axis=1
        )

    def middle(self, actions: ArrayLike, arm: int) -> Array:
        """The orientation ``(4,)`` from which an arm's waypoints are turned the least in the mean square of
        the sine of half the angle: the reference that suits them.

        Raises:
            DataError: see `decode`.
        """
        quaternion = self.decode(actions)[arm].quaternion
        return transforms.make_continuous(np.linalg.eigh(quaternion.T @ quaternion)[1][None, :, -1])[0]

    def apart(self, actions: ArrayLike, others: ArrayLike) -> tuple[Array, Array, Array]:
        """How far two chunks ``(H, dim)`` lie apart at every waypoint, one arm behind the other.

        Returns:
            Of positions, m, rotations, rad, and gripper widths, m, each ``(arms * H,)``; the widths ``(0,)``
            without a gripper.

        Raises:
            DataError: see `decode`; rotation "none" has no poses to compare.
        """
        pairs = list(zip(self.decode(actions), self.decode(others), strict=True))
        widths = [
            np.abs(a.gripper_width - b.gripper_width)
            for a, b in pairs
            if a.gripper_width is not None and b.gripper_width is not None
        ]
        return (
            np.concatenate([np.linalg.norm(a.position - b.position, axis=1) for a, b in pairs]),
            np.concatenate([transforms.angle_between(a.quaternion, b.quaternion) for a, b in pairs]),
            np.concatenate(widths) if widths else np.empty(0),
        )

    def _decode_arm(self, part: Array) -> ArmWaypoints:
        width = _WIDTH[self.rotation]
        relative = _TO_QUATERNION[self.rotation](part[:, 3 : 3 + width])
        quaternion = transforms.quaternion_multiply(self.reference_quat_wxyz, relative)
        quaternion = transforms.make_continuous(transforms.normalise_quaternion(quaternion))
        return ArmWaypoints(part[:, :3].copy(), quaternion, part[:, -1].copy() if self.gripper else None)

    def _encode_arm(self, arm: ArmWaypoints) -> Array:
        back = transforms.quaternion_conjugate(self.reference_quat_wxyz)
        relative = transforms.quaternion_multiply(back, transforms.normalise_quaternion(arm.quaternion))
        columns = [arm.position, _FROM_QUATERNION[self.rotation](relative)]
        if self.gripper:
            if arm.gripper_width is None:
                raise DataError("waypoints: no gripper width, but the task's actions have a gripper")
            columns.append(arm.gripper_width[:, None])
        return np.concatenate(columns, axis=1)

    def _refuse_raw(self) -> None:
        if self.rotation == "none":
            raise DataError(
                "action.rotation is 'none': its numbers are not poses; use check() and hand them through"
            )


_FLIPPING = ("rotvec", "quat")
"""Rotations that change their sign at half a turn from the reference."""
_TO_QUATERNION: dict[str, Callable[[Array], Array]] = {
    "rotvec": transforms.quaternion_from_rotvec,
    "rot6d": transforms.quaternion_from_rot6d,
    "quat": transforms.normalise_quaternion,
}
_FROM_QUATERNION: dict[str, Callable[[Array], Array]] = {
    "rotvec": transforms.rotvec_from_quaternion,
    "rot6d": transforms.rot6d_from_quaternion,
    "quat": transforms.make_continuous,
}
