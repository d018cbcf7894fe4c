"""Embeddings of camera frames, each computed once: as soon as it is known to be needed, or then. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from zprl_core.snapshot import Image, Snapshot

Embedding = NDArray[np.float32]
KEPT = 32
"""Embeddings, over all cameras."""


class Frames:
    """What the encoder makes of frames.

    Args:
        embed: gives the embedding of a camera's frame (h, w, 3).

    Attributes:
        counts: of the frames that snapshots had: `all`, and `early`, those embedded before their snapshot
            was taken.
    """

    def __init__(self, embed: Callable[[str, Image], Embedding]) -> None:
        self._embed = embed
        self._known: OrderedDict[tuple[str, int], Embedding] = OrderedDict()
        self.counts = {"all": 0, "early": 0}

    def ahead(self, frames: Iterable[tuple[str, int, Image]]) -> None:
        """Embed frames, by camera and stamp, that a snapshot will have."""
        for camera, stamp_ns, frame in frames:
            self._embedding(camera, stamp_ns, frame)

    def of(self, snapshot: Snapshot) -> dict[str, Embedding]:
        """{camera: (S, embedding)} of a snapshot."""
        early = set(self._known)
        found = {}
        for camera, images in snapshot.images.items():
            stamps = snapshot.stamps_ns[camera]
            self.counts["all"] += len(images)
            self.counts["early"] += sum((camera, stamp) in early for stamp in stamps)
            found[camera] = np.stack(
                [self._embedding(camera, *each) for each in zip(stamps, images, strict=True)]
            )
        return found

    def clear(self) -> None:
        """Forget all frames: those of another episode, or of another bag, follow."""
        self._known.clear()

    def _embedding(self, camera: str, stamp_ns: int, frame: Image) -> Embedding:
        key = camera, stamp_ns
        if key not in self._known:
            self._known[key] = self._embed(camera, frame)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return self._known[key]
