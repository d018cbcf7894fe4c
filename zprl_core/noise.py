"""Counter-based randomness: every draw is a pure function of (seed, episode, chunk, stream).

No generator is carried along, so a restarted process, or a replay, draws the same numbers without
restoring any state. Philox keys a block cipher with the seed and counts with the rest (Salmon et
al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Stream(IntEnum):
    """What a draw is for. Values are part of the log format: append, never renumber."""

    FLOW = 0  # w, the flow's initial sample, eq. (2)
    LATENT = 1  # z ~ p(z|c), eq. (7)
    PERTURBATION = 2  # dz ~ pi(.|c, z), eq. (7)
    REPLAY = 3  # which transitions an update sees
    UPDATE = 4  # noise inside an update, eq. (9) to (11)
    LAYOUT = 5  # where the objects lie
    INITIAL = 6  # initial weights
    INVERSION = 7  # where the search for a latent that explains a person's chunk starts
    STEERED = 8  # whether a chunk is steered at all


def generator(seed: int, episode: int, chunk: int, stream: Stream) -> np.random.Generator:
    """A fresh generator for one purpose at one place of a run.

    Args:
        seed: of the run, 0 <= seed < 2**64.
        episode: index of the episode (or of the update, for streams that belong to updates).
        chunk: index of the chunk within the episode.
        stream: what the numbers are for.

    Raises:
        ValueError: a negative index.
    """
    if min(seed, episode, chunk) < 0:
        raise ValueError(f"seed, episode and chunk must not be negative: {seed}, {episode}, {chunk}")
    key = np.array([seed, int(stream)], dtype=np.uint64)
    # The lowest counter word belongs to Philox: it counts the blocks that a generator hands out.
    counter = np.array([0, chunk, episode, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key))


def normal(
    seed: int, episode: int, chunk: int, stream: Stream, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Standard normal numbers for one place of a run, float32 of the given shape."""
    return generator(seed, episode, chunk, stream).standard_normal(shape, dtype=np.float32)


def digest(*arrays: NDArray[np.generic]) -> str:
    """Sixteen hex digits that identify the arrays' bytes (dtype and shape included)."""
    blake = hashlib.blake2b(digest_size=8)
    for array in arrays:
        blake.update(f"{array.dtype.str}{array.shape}".encode())
        blake.update(np.ascontiguousarray(array).tobytes())
    return blake.hexdigest()
