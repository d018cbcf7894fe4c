# SPDX-License-Identifier: Apache-2.0
"""Rows of the table of `zprl bench`, and what they promise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Promise(Protocol):
    """What a row's cost is meant to stay within."""

    def most(self, peer_cost: float) -> float:
        """What ours may cost beside a peer that costs this; NaN where that has to be known and is not."""
        ...

    def told(self, unit: str) -> str:
        """For the table."""
        ...


@dataclass(frozen=True)
class TimesAsFast:
    """The peer costs at least so many times as much."""

    times: float

    def most(self, peer_cost: float) -> float:
        """See `Promise`."""
        return peer_cost / self.times

    def told(self, unit: str) -> str:
        """See `Promise`."""
        return f"{self.times:g} times"


@dataclass(frozen=True)
class AtMostMore:
    """At most so much more than the peer, in the row's unit."""

    more: float

    def most(self, peer_cost: float) -> float:
        """See `Promise`."""
        return peer_cost + self.more

    def told(self, unit: str) -> str:
        """See `Promise`."""
        return f"peer + {self.more:g} {unit}"


@dataclass(frozen=True)
class AtMost:
    """At most so much, in the row's unit, whatever the peer does."""

    cost: float

    def most(self, peer_cost: float) -> float:
        """See `Promise`."""
        return self.cost

    def told(self, unit: str) -> str:
        """See `Promise`."""
        return f"at most {self.cost:g} {unit}"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        path: what is measured. ours, peer: the implementations; no peer: "".
        ours_cost, peer_cost: what they cost, in `unit`; NaN where one cannot be had here.
        wanted: what is promised; None: nothing.
        limit_ms: what the multiply-adds take at the rate of one large product; None: not known.
        error: of ours against the reference; None: nothing to compare.
        unit: of the costs.
    """

    path: str
    ours: str
    ours_cost: float
    peer: str
    peer_cost: float
    wanted: Promise | None = None
    limit_ms: float | None = None
    error: float | None = None
    unit: str = "ms"

    @property
    def ratio(self) -> float:
        """How many times as much the peer costs; NaN where ours costs nothing."""
        return self.peer_cost / self.ours_cost if self.ours_cost else math.nan

    @property
    def met(self) -> bool | None:
        """Whether what is promised holds; None where that cannot be said."""
        most = math.nan if self.wanted is None else self.wanted.most(self.peer_cost)
        return None if math.isnan(most) or math.isnan(self.ours_cost) else self.ours_cost <= most
