# SPDX-License-Identifier: Apache-2.0
"""Which arms the box can be."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from zprl_core.errors import RigError

FIRMWARE = (1, 12, 10)
_SERIAL = re.compile(r"[A-Z]{2}[0-9]{4}[A-Z0-9]{1,16}")


@dataclass(frozen=True)
class BoxModel:
    """What a box says of its arm.

    Attributes:
        name: as in a rig file.
        joints: how many.
        device_type: the vendor's number of the model.
        arm_serial, box_serial: serial numbers; the SDK reads the model year out of characters 2 to 5.
        start_rad: joint angles at power-up.
        joint_speed_rad_s: largest speed of a joint.
        tcp_speed_m_s: largest speed of the tool.
    """

    name: str
    joints: int
    device_type: int
    arm_serial: str
    box_serial: str
    start_rad: tuple[float, ...]
    joint_speed_rad_s: float = 3.14159
    tcp_speed_m_s: float = 1.0

    @property
    def version(self) -> str:
        """The answer to the SDK's first question."""
        firmware = "v" + ".".join(map(str, FIRMWARE))
        return f"{self.joints},{self.device_type},{self.arm_serial},{self.box_serial},{firmware}"

    def with_serial(self, serial: str) -> BoxModel:
        """The same model with another serial number of the arm.

        Raises:
            RigError: it is not of the vendor's form.
        """
        if not _SERIAL.fullmatch(serial):
            raise RigError(
                f"serial number {serial!r}: allowed: two capital letters, four digits, then either, such as "
                f"{self.arm_serial}"
            )
        return replace(self, arm_serial=serial)


_MODELS = (
    BoxModel("lite6", 6, 9, "LI100600S00001", "LI100600S00001", (0.0, 0.25, 1.2, 0.0, 0.95, 0.0)),
    BoxModel("xarm5", 5, 5, "XF130400S00001", "AC130400S00001", (0.0, -0.35, -1.05, 1.40, 0.0)),
    BoxModel("xarm6", 6, 6, "XI130400S00001", "AC130400S00001", (0.0, -0.35, -1.05, 0.0, 1.40, 0.0)),
    BoxModel("xarm7", 7, 7, "XS130400S00001", "AC130400S00001", (0.0, -0.35, 0.0, 1.05, 0.0, 1.40, 0.0)),
    BoxModel("xarm850", 6, 12, "FX850000S00001", "AC850000S00001", (0.0, -0.35, -1.05, 0.0, 1.40, 0.0)),
)
MODELS = {model.name: model for model in _MODELS}


def find_model(name: str) -> BoxModel:
    """The model of that name.

    Raises:
        RigError: there is none.
    """
    if name not in MODELS:
        raise RigError(f"model '{name}': the box is not made for it, allowed: {', '.join(MODELS)}")
    return MODELS[name]
