# SPDX-License-Identifier: Apache-2.0
"""Pictures of episodes: which are shown, small ones, and a sheet of them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from zprl_core.data.episode import Episode

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of an episode, at which a picture is shown."""
HEIGHT = 96
"""Of a small picture, pixels."""
_LABEL = 18
_GAP = 4


def chosen(episodes: int, first: Sequence[int], most: int) -> list[int]:
    """The episodes that are shown: those in `first`, then evenly many of the others, in order.

    Args:
        episodes: how many there are.
        first: shown in any case, up to `most`.
        most: how many are shown.
    """
    kept = list(dict.fromkeys(first))[:most]
    others = [number for number in range(episodes) if number not in set(kept)]
    room = min(most - len(kept), len(others))
    places = np.linspace(0, len(others) - 1, room).round().astype(int)
    return sorted([*kept, *(others[place] for place in places)])


def strip(episode: Episode) -> list[NDArray[np.uint8]]:
    """For each of SHARES one small picture uint8 (HEIGHT, w, 3) RGB, cameras side by side."""
    ticks = [round(share * (len(episode) - 1)) for share in SHARES]
    return [np.hstack([small(frames[tick]) for frames in episode.images.values()]) for tick in ticks]


def small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture of HEIGHT pixels."""
    height, width = image.shape[:2]
    way = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_CUBIC
    resized: NDArray[np.uint8] = cv2.resize(
        image, (max(1, width * HEIGHT // height), HEIGHT), interpolation=way
    )
    return resized


def jpeg(image: NDArray[np.uint8], quality: int = 85) -> bytes:
    """A picture as a JPEG file."""
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return bytes(data)


def contact_sheet(strips: Sequence[tuple[str, Sequence[NDArray[np.uint8]]]], columns: int = 2) -> bytes:
    """All strips below each other, each under its label, as a PNG file.

    Args:
        strips: labels in ASCII, and pictures of one size.
        columns: how many strips stand side by side.
    """
    cells = [_cell(label, pictures) for label, pictures in strips]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    empty = np.full_like(cells[0], 255)
    full = [np.hstack([*row, *[empty] * (columns - len(row))]) for row in rows]
    _, data = cv2.imencode(".png", cv2.cvtColor(np.vstack(full), cv2.COLOR_RGB2BGR))
    return bytes(data)


def _cell(label: str, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    width = sum(picture.shape[1] + _GAP for picture in pictures) + 2 * _GAP
    cell = np.full((HEIGHT + _LABEL + 2 * _GAP, width, 3), 255, dtype=np.uint8)
    cv2.putText(cell, label, (_GAP, _LABEL - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)
    left = _GAP
    for picture in pictures:
        cell[_LABEL : _LABEL + HEIGHT, left : left + picture.shape[1]] = picture
        left += picture.shape[1] + _GAP
    return cell
