# SPDX-License-Identifier: Apache-2.0
"""Writing MJCF elements from numbers."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import numpy as np


def text(value: Any) -> str:
    """A value as an attribute: numbers separated by blanks, 12 digits."""
    if isinstance(value, str):
        return value
    return " ".join(f"{float(v):.12g}" for v in np.ravel(value))


def add(parent: ET.Element, tag: str, **attributes: Any) -> ET.Element:
    """Appends an element; attributes are text, a number, or numbers of any shape."""
    return ET.SubElement(parent, tag, {key: text(value) for key, value in attributes.items()})


def add_camera(
    parent: ET.Element, name: str, position: Sequence[float], target: Sequence[float], fovy: float
) -> None:
    """A camera at `position` (m) that looks at `target` with its right edge level; `fovy` in degrees."""
    backwards = np.subtract(position, target)
    right = np.cross((0.0, 0.0, 1.0), backwards)
    right /= np.linalg.norm(right)
    up = np.cross(backwards, right)
    add(parent, "camera", name=name, pos=position, xyaxes=np.concatenate((right, up)), fovy=fovy)
