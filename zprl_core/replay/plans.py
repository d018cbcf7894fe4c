# SPDX-License-Identifier: Apache-2.0
"""How the plans of a replay are kept. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zprl_core import record_log
from zprl_core.errors import DataError
from zprl_core.planned import PLAN_ARRAYS, Plan, plan_of

PLANS, STATS = "plans.log", "player.json"
"""Files of one policy's folder: its plans, and what was played."""


@dataclass(frozen=True, eq=False)
class Planned:
    """A chunk that was planned in a replay.

    Attributes:
        source, episode, chunk: which.
        mode: path of the policy.
        plan: all of its arrays.
        inference_s: from snapshot to plan, s.
    """

    source: str
    episode: int
    chunk: int
    mode: str
    plan: Plan
    inference_s: float

    @property
    def key(self) -> tuple[str, int, int]:
        """(source, episode, chunk)."""
        return self.source, self.episode, self.chunk

    def to_record(self) -> dict[str, Any]:
        """For a record log."""
        data: dict[str, Any] = {name: getattr(self.plan, name) for name in PLAN_ARRAYS}
        facts = {"source": self.source, "episode": self.episode, "chunk": self.chunk, "mode": self.mode}
        return {**facts, "scale": self.plan.scale, "inference_s": self.inference_s, **data}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Planned:
        """The inverse of `to_record`.

        Raises:
            DataError: not such a record.
        """
        try:
            arrays = {name: np.array(record[name], dtype=np.float32) for name in PLAN_ARRAYS}
            plan = plan_of(arrays, float(record["scale"]))
            place = (str(record["source"]), int(record["episode"]), int(record["chunk"]))
            return cls(*place, str(record["mode"]), plan, float(record["inference_s"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"not a planned chunk: {error!r}") from error


def read_plans(path: Path) -> list[Planned]:
    """All chunks of a file of plans.

    Raises:
        DataError: see `record_log.read`; or a record is another one.
    """
    return [Planned.from_record(record) for _, record in record_log.read(path)]
