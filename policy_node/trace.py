"""What the policy node leaves behind: RUN/chunks.log and its counters."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from policy_node import guarded
from zprl_core.effects import SendChunk
from zprl_core.noise import digest
from zprl_core.run_folder import RunFolder, write_text
from zprl_core.steering.guard import GuardValues

NODE = "policy_node"
REMEMBERED = 20_000
"""Ticks and plans whose times are kept: the last ten minutes at 30 Hz."""


class Trace:
    """One line of JSON per planned chunk, hashes of everything that went into it; and the node's counters.

    A line is handed to the kernel as soon as it is written, so that a kill loses none. Two lockstep runs with
    one seed leave the same lines. `rewind` drops the lines of an unfinished episode
    that a resumed run plans again.
    """

    def __init__(self, folder: RunFolder, backend: str) -> None:
        self._folder, self._path, self._backend = folder, folder.chunks_file, backend
        self._file = self._path.open("a", encoding="utf-8", buffering=1)
        before = folder.read_stats().get(NODE, {})
        self.stalls = int(before.get("stalls", 0))
        self._guard = guarded.GuardRecord(folder.curves, before, REMEMBERED)
        self._inference_s: deque[float] = deque(maxlen=REMEMBERED)
        self._tick_error_s: deque[float] = deque(maxlen=REMEMBERED)
        self._frames_before: Mapping[str, int] = before.get("frames", {})
        self._frames = dict(self._frames_before)

    def chunk(self, send: SendChunk) -> None:
        """Note a plan."""
        plan = send.plan
        line = {
            "episode": send.episode,
            "chunk": send.chunk,
            "actor_version": send.actor_version,
            "weights": send.weights,
            **{name: digest(getattr(plan, name)) for name in ("c", "z", "z_tilde", "w", "actions")},
            **guarded.to_line(send),
        }
        self._file.write(json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n")
        self._guard.note(send)

    def inference(self, seconds: float) -> None:
        """Note how long a chunk took from snapshot to plan, without waiting."""
        self._inference_s.append(seconds)

    def tick(self, error_s: float) -> None:
        """Note how late a tick was."""
        self._tick_error_s.append(error_s)

    def frames(self, counts: Mapping[str, int]) -> None:
        """Note how many frames this process has encoded for snapshots, and how many of them early."""
        self._frames = {name: self._frames_before.get(name, 0) + count for name, count in counts.items()}

    def rewind(self, episode: int) -> list[GuardValues]:
        """Forget the lines of this episode and of later ones.

        Returns:
            The guard's values of the steered chunks before it.
        """
        self._file.close()
        lines = self._path.read_text(encoding="utf-8").split("\n")
        whole = [(line, json.loads(line)) for line in lines if line.endswith("}")]
        kept = [(line, chunk) for line, chunk in whole if chunk["episode"] < episode]
        if len(kept) != len(lines) - 1:
            write_text(self._path, "".join(f"{line}\n" for line, _ in kept))
        self._file = self._path.open("a", encoding="utf-8", buffering=1)
        values = guarded.from_lines(chunk for _, chunk in kept)
        self._guard.resume(len(values))
        return values

    def flush(self) -> None:
        """At an episode's end: lines and counters to the disk."""
        self._file.flush()
        self._guard.end_episode()
        found = {"backend": self._backend, "stalls": self.stalls, "frames": self._frames}
        self._folder.write_stats(NODE, {**found, **self._guard.stats(), **self._times()})

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        self._guard.close()
        self._file.close()

    def _times(self) -> dict[str, Any]:
        named = {"inference_ms": self._inference_s, "tick_error_ms": self._tick_error_s}
        return {name: percentiles(values) for name, values in named.items() if values}


def percentiles(seconds: Collection[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum in milliseconds."""
    p50, p99, worst = np.percentile(np.array([*seconds]) * 1e3, [50, 99, 100])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3), "max": round(float(worst), 3)}
