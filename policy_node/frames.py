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
        counts: of the frames that snapshots had: `all`, and `early`, those embedded ahead of their snapshot.
    """

    def __init__(self, embed: Callable[[str, Image], Embedding]) -> None:
        self._embed = embed
        self._known: OrderedDict[tuple[str, int], tuple[Embedding, bool]] = OrderedDict()
        self.counts = {"all": 0, "early": 0}

    def ahead(self, frames: Iterable[tuple[str, int, Image]]) -> None:
        """Embed frames, by camera and stamp, that a snapshot will have."""
        for camera, stamp_ns, frame in frames:
            self._embedding(camera, stamp_ns, frame, early=True)

    def of(self, snapshot: Snapshot) -> dict[str, Embedding]:
        """{camera: (S, embedding)} of a snapshot."""
        found = {}
        for camera, images in snapshot.images.items():
            frames = zip(snapshot.stamps_ns[camera], images, strict=True)
            embedded = [self._embedding(camera, *frame, early=False) for frame in frames]
            found[camera] = np.stack([embedding for embedding, _ in embedded])
            self.counts["all"] += len(images)
            self.counts["early"] += sum(early for _, early in embedded)
        return found

    def clear(self) -> None:
        """Forget all frames: those of another episode, or of another bag, follow."""
        self._known.clear()

    def _embedding(self, camera: str, stamp_ns: int, frame: Image, *, early: bool) -> tuple[Embedding, bool]:
        """And whether it was embedded early."""
        key = camera, stamp_ns
        if key not in self._known:
            self._known[key] = self._embed(camera, frame), early
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return self._known[key]
