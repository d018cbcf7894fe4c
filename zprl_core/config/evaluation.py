# SPDX-License-Identifier: Apache-2.0
"""When a policy is measured without learning, and the robustness cases of a task."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from zprl_core.config.fields import setting
from zprl_core.config.loader import did_you_mean
from zprl_core.errors import ConfigError

Kind = Literal["disturbance", "new_object", "shifted_layout", "distractors"]
ALL_CASES = "all"
"""What asks for every case, so that none is called so."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class SimulatedCase:
    """What the simulated scene does in a robustness case, drawn from the layout's seed."""

    push_m: tuple[float, float] | None = setting(
        "the object is pushed this far, once the arm has set out; null: it is not",
        default=None,
        unit="m",
        low=0.0,
        high=0.2,
    )
    radius_m: float | None = setting(
        "of the object; null: as in training", default=None, unit="m", above=0.0, high=0.1
    )
    colour: tuple[float, float, float] | None = setting(
        "of the object: red, green, blue; null: as in training", default=None, low=0.0, high=1.0
    )
    distractors: int = setting("objects that lie around", default=0, low=0, high=6)

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        if self.push_m and self.push_m[0] > self.push_m[1]:
            return [("push_m", f"{list(self.push_m)}: the first number is above the second")]
        return []


@dataclass(frozen=True, kw_only=True)
class CaseConfig:
    """Trials under a condition that training did not have, as in the paper's Table IV."""

    name: str = setting("of the case: small letters, digits and _", source="paper Table IV")
    kind: Kind = setting("what is different", source="paper V-D, Fig. 9")
    description: str = setting("what the operator does", source="paper V-D, Fig. 9")
    trials: int = setting("episodes of each policy", default=10, source="paper V-D", low=1)
    beyond_m: float = setting(
        "the first object lies this far outside its ranges in x or y",
        default=0.0,
        unit="m",
        low=0.0,
        high=0.5,
    )
    beyond_deg: float = setting(
        "or is turned this far beyond its range", default=0.0, unit="degrees", low=0.0, high=180.0
    )
    simulation: SimulatedCase | None = setting(
        "what the simulated scene does; null: it cannot stage the case by itself", default=None
    )

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        problems = []
        if not _NAME.fullmatch(self.name) or self.name == ALL_CASES:
            text = f"{self.name!r}, allowed: small letters, digits and _, and not '{ALL_CASES}'"
            problems.append(("name", text))
        shifted = self.beyond_m > 0.0 or self.beyond_deg > 0.0
        if shifted != (self.kind == "shifted_layout"):
            problems.append(
                ("kind", f"{self.kind}: beyond_m and beyond_deg belong to shifted_layout, and to it alone")
            )
        staged = self.simulation
        if staged is None:
            return problems
        wanted = {
            "disturbance": ("push_m", staged.push_m is not None),
            "new_object": ("radius_m or colour", staged.radius_m is not None or staged.colour is not None),
            "distractors": ("distractors", staged.distractors > 0),
        }
        key, given = wanted.get(self.kind, ("", True))
        if not given:
            problems.append(("simulation", f"a case of kind {self.kind} needs {key} here, or null"))
        return problems

    @property
    def simulated(self) -> bool:
        """Whether a simulated scene can stage it."""
        return self.simulation is not None or self.beyond_m > 0.0


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """When and how long the policy is measured without learning."""

    episodes: int = setting("random layouts per evaluation", default=40, source="paper V-D", low=1)
    every_chunks: int | None = setting(
        "training chunks between evaluations; null: only before and after", default=None, low=1
    )
    cases: tuple[CaseConfig, ...] = setting("for `zprl evaluate --case`", default=(), source="paper Table IV")

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        names = [case.name for case in self.cases]
        doubled = sorted({name for name in names if names.count(name) > 1})
        return [("cases", f"the name '{name}' stands twice") for name in doubled]

    def case(self, name: str) -> CaseConfig | None:
        """A robustness case; None of no name.

        Raises:
            ConfigError: the task has no such case; names those that it has.
        """
        if not name:
            return None
        found = {case.name: case for case in self.cases}
        if name not in found:
            raise ConfigError(
                f"robustness case '{name}' is not among the task's evaluation.cases"
                f"{did_you_mean(name, list(found))}"
            )
        return found[name]
