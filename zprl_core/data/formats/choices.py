# SPDX-License-Identifier: Apache-2.0
"""What can be chosen, by name; without imports, so that the command line lists it at no cost."""

from __future__ import annotations

from typing import Literal, get_args

RotationForm = Literal["task", "rotvec", "rot6d", "rot6d_rows", "quat_wxyz", "quat_xyzw"]
"""How a rotation is written, see `action_form`."""
Fit = Literal["exact", "resize", "crop"]
"""What to do with pictures of another size, see `frames.fit`."""
Images = Literal["h264", "av1", "png"]
"""How LeRobot's pictures are kept, see `lerobot_writing`."""

ROTATION_FORMS: tuple[str, ...] = get_args(RotationForm)
FITS: tuple[str, ...] = get_args(Fit)
IMAGES: tuple[str, ...] = get_args(Images)
