# SPDX-License-Identifier: Apache-2.0
"""The arms' published kinematics: modified Denavit-Hartenberg tables, joint limits and speeds.

Row i places joint i in the frame of link i - 1: ``Rx(alpha) Tx(a) Rz(angle + offset) Tz(d)`` (Craig's
convention; link 0 is the base). The flange is ``flange_m`` along the last joint's axis. Lengths m, angles
rad.

Sources, facts only:

- xarm5, xarm6, xarm7, xarm850: UFACTORY, "Kinematic and Dynamic Parameters" of each model (docs.ufactory.cc),
  and ``kinematics/default/*.yaml`` of UFACTORY's xarm_ros, which also has lite6. In the page of xarm5 the
  modified table leaves out a = 76 mm of joint 5; its standard table and xarm_ros have it.
- UFACTORY joint limits: ``x_config.JOINT_LIMITS`` of the xArm Python SDK 1.18; speed 180 deg/s: user manuals.
- fer, fr3: Franka, "Robot and interface specifications" (control_parameters); fr3's joint limits are those of
  franka_description, its speeds near them libfranka's ``rate_limiting.h``.

These are nominal. UFACTORY calibrates every arm, so its own pose may differ by a millimetre or two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

_90 = math.pi / 2.0


class DHRow(NamedTuple):
    """One joint: alpha and a of the link before it, d along it, and its angle where the arm reports zero."""

    alpha: float = 0.0
    a: float = 0.0
    d: float = 0.0
    offset: float = 0.0


class NearEnd(NamedTuple):
    """How fast a joint may turn towards its end: sqrt(slope * room) - offset, room up to where that is 0.

    Attributes:
        slope: rad/s^2. offset: rad/s. lower_rad, upper_rad: from where room is counted.
    """

    slope: float
    offset: float
    lower_rad: float
    upper_rad: float


@dataclass(frozen=True)
class ArmModel:
    """An arm's kinematics.

    Attributes:
        name: as in `ArmConfig.model`.
        rows: one a joint.
        flange_m: from the last joint's frame to the flange, along its z.
        lower_rad, upper_rad: joint limits.
        speed_rad_s: highest joint speeds.
        near_ends: what limits them towards the joints' ends, one a joint; empty: nothing does.
    """

    name: str
    rows: tuple[DHRow, ...]
    flange_m: float
    lower_rad: tuple[float, ...]
    upper_rad: tuple[float, ...]
    speed_rad_s: tuple[float, ...]
    near_ends: tuple[NearEnd, ...] = ()


def _degrees(*ranges: tuple[float, float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(math.radians(low) for low, _ in ranges), tuple(math.radians(high) for _, high in ranges)


def _ufactory(name: str, rows: tuple[DHRow, ...], *ranges: tuple[float, float]) -> ArmModel:
    lower, upper = _degrees(*ranges)
    return ArmModel(name, rows, 0.0, lower, upper, (math.pi,) * len(rows))


# The elbow lies 53.5 mm in front of the upper arm's axis, the wrist 77.5 mm in front of the forearm's.
_UPPER_M, _UPPER_LEAN = math.hypot(0.2845, 0.0535), math.atan2(0.2845, 0.0535)
_FORE_M, _FORE_LEAN = math.hypot(0.3425, 0.0775), math.atan2(0.3425, 0.0775)
_FREE, _SHOULDER, _ELBOW, _WRIST = (-360.0, 360.0), (-118.0, 120.0), (-225.0, 11.0), (-97.0, 180.0)

_XARM5 = (
    DHRow(d=0.267),
    DHRow(alpha=-_90, offset=-_UPPER_LEAN),
    DHRow(a=_UPPER_M, offset=_UPPER_LEAN + _FORE_LEAN),
    DHRow(a=_FORE_M, offset=-_FORE_LEAN),
    DHRow(alpha=-_90, a=0.076, d=0.097),
)
_XARM6 = (
    DHRow(d=0.267),
    DHRow(alpha=-_90, offset=-_UPPER_LEAN),
    DHRow(a=_UPPER_M, offset=_UPPER_LEAN),
    DHRow(alpha=-_90, a=0.0775, d=0.3425),
    DHRow(alpha=_90),
    DHRow(alpha=-_90, a=0.076, d=0.097),
)
_XARM7 = (
    DHRow(d=0.267),
    DHRow(alpha=-_90),
    DHRow(alpha=_90, d=0.293),
    DHRow(alpha=_90, a=0.0525),
    DHRow(alpha=_90, a=0.0775, d=0.3425),
    DHRow(alpha=_90),
    DHRow(alpha=-_90, a=0.076, d=0.097),
)
_LITE6 = (
    DHRow(d=0.2435),
    DHRow(alpha=-_90, offset=-_90),
    DHRow(alpha=math.pi, a=0.2002, offset=-_90),
    DHRow(alpha=_90, a=0.087, d=0.22761),
    DHRow(alpha=_90),
    DHRow(alpha=-_90, d=0.0625),
)
_XARM850 = (
    DHRow(d=0.364),
    DHRow(alpha=_90, offset=_90),
    DHRow(alpha=math.pi, a=0.390, offset=_90),
    DHRow(alpha=-_90, a=0.150, d=0.426),
    DHRow(alpha=-_90),
    DHRow(alpha=_90, d=0.090),
)
_FRANKA = (
    DHRow(d=0.333),
    DHRow(alpha=-_90),
    DHRow(alpha=_90, d=0.316),
    DHRow(alpha=_90, a=0.0825),
    DHRow(alpha=-_90, a=-0.0825, d=0.384),
    DHRow(alpha=_90),
    DHRow(alpha=_90, a=0.088),
)

_FER = ArmModel(
    "fer",
    _FRANKA,
    0.107,
    (-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973),
    (2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973),
    (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61),
)
_FR3 = ArmModel(
    "fr3",
    _FRANKA,
    0.107,
    (-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159),
    (2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159),
    (2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26),
    (
        NearEnd(12.0, 0.30, -2.7501, 2.7501),
        NearEnd(5.17, 0.20, -1.7918, 1.7918),
        NearEnd(7.0, 0.20, -2.9065, 2.9065),
        NearEnd(8.0, 0.30, -3.0481, -0.1458),
        NearEnd(34.0, 0.35, -2.8101, 2.8101),
        NearEnd(11.0, 0.35, 0.54092, 4.5205),
        NearEnd(34.0, 0.35, -3.0196, 3.0196),
    ),
)

MODELS: dict[str, ArmModel] = {
    model.name: model
    for model in (
        _ufactory("xarm5", _XARM5, _FREE, _SHOULDER, _ELBOW, _WRIST, _FREE),
        _ufactory("xarm6", _XARM6, _FREE, _SHOULDER, _ELBOW, _FREE, _WRIST, _FREE),
        _ufactory("xarm7", _XARM7, _FREE, _SHOULDER, _FREE, (-11.0, 225.0), _FREE, _WRIST, _FREE),
        _ufactory("lite6", _LITE6, _FREE, (-150.0, 150.0), (-3.5, 300.0), _FREE, (-124.0, 124.0), _FREE),
        _ufactory("xarm850", _XARM850, _FREE, (-132.0, 132.0), (-242.0, 3.5), _FREE, (-124.0, 124.0), _FREE),
        _FER,
        _FR3,
    )
}
"""By `ArmConfig.model`."""
