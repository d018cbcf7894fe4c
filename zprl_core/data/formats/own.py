# SPDX-License-Identifier: Apache-2.0
"""What an export keeps of our dataset where its format has no place for it, so that an import restores it.

LeRobot: the file meta/zprl.json. robomimic: the attribute "zprl" of the group data, and of each demo.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from zprl_core.actions import ActionCodec
from zprl_core.data.episode import EpisodeInfo, Header
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.choices import RotationForm
from zprl_core.data.formats.gripper import GripperScale
from zprl_core.data.formats.signals import DONES, REWARDS
from zprl_core.errors import DataError
from zprl_core.provenance import Provenance

NAME = "zprl"
_VERSION = 1
_PROVENANCE = ("rig", "calibration", "delays")
_GRIPPER = ("open_command", "open_width_m", "closed_command", "closed_width_m")
PROPRIO_PARTS = "proprio_parts"
"""Fact of a header: [[key, numbers], ...] of the source that q was put together from."""


@dataclass(frozen=True)
class OwnHeader:
    """The part of a dataset's header that a task does not say, and how its actions were written.

    Attributes:
        lead_steps: L.
        provenance: None: not known.
        rotation, gripper: the `ActionForm` of the export.
        codec: what its numbers stand for where `rotation` is "task"; None: not known (older exports).
        facts: of the header.
    """

    lead_steps: int
    provenance: Provenance | None
    rotation: RotationForm
    gripper: GripperScale | None
    facts: Mapping[str, Any]
    codec: ActionCodec | None = None

    @classmethod
    def of(cls, header: Header, form: ActionForm) -> OwnHeader:
        """Of an export."""
        return cls(
            header.lead_steps, header.provenance, form.rotation, form.gripper, header.facts, form.codec
        )

    @property
    def proprio_parts(self) -> tuple[tuple[str, int], ...]:
        """(key, numbers) of what q was put together from, where it is known."""
        return proprio_parts(self.facts)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        gripper = None if self.gripper is None else [getattr(self.gripper, name) for name in _GRIPPER]
        provenance = None if self.provenance is None else self.provenance.to_dict()
        return {
            "version": _VERSION,
            "lead_steps": self.lead_steps,
            "provenance": provenance,
            "action_rotation": self.rotation,
            "gripper": gripper,
            "facts": dict(self.facts),
            "action": None if self.codec is None else {**self.codec.to_dict(), "dim": self.codec.dim},
        }

    @classmethod
    def from_dict(cls, data: object, source: str) -> OwnHeader:
        """The inverse of `to_dict`.

        Raises:
            DataError: another version, or a key is missing; names `source`.
        """
        if not isinstance(data, Mapping) or data.get("version") != _VERSION:
            found = data.get("version") if isinstance(data, Mapping) else type(data).__name__
            raise DataError(f"{source}: version is {found!r}, this version reads {_VERSION}")
        try:
            gripper, provenance, action = data["gripper"], data["provenance"], data.get("action")
            return cls(
                int(data["lead_steps"]),
                None if provenance is None else Provenance.from_dict(provenance, source),
                data["action_rotation"],
                None if gripper is None else GripperScale(*map(float, gripper)),
                dict(data["facts"]),
                None if action is None else ActionCodec.from_dict(action, int(action["dim"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{source}: is damaged ({type(error).__name__}: {error}); export again"
            ) from error


def proprio_parts(facts: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """(key, numbers) of what q was put together from; empty where a header's facts do not say."""
    return tuple((str(key), int(numbers)) for key, numbers in facts.get(PROPRIO_PARTS, ()))


def info_to_dict(info: EpisodeInfo) -> dict[str, Any]:
    """An episode's entry without its rewards and dones, for which both formats have arrays."""
    facts = {key: value for key, value in info.facts.items() if key not in (REWARDS, DONES)}
    kept = [key for key in (REWARDS, DONES) if key in info.facts]
    return {**replace(info, facts=facts).to_dict(), "signals": kept}


def info_from_dict(data: Mapping[str, Any], signals: Mapping[str, Any], source: str) -> EpisodeInfo:
    """The inverse of `info_to_dict`.

    Args:
        data: what it returned.
        signals: `signals.signal_facts` of the arrays; those that the entry had are put back.
        source: names the place, for messages.

    Raises:
        DataError: the entry makes no sense.
    """
    try:
        info = EpisodeInfo.from_dict(data)
        kept = {key: signals[key] for key in data.get("signals", ()) if key in signals}
        return replace(info, facts={**info.facts, **kept})
    except (TypeError, ValueError, AttributeError, DataError) as error:
        raise DataError(f"{source}: is damaged ({error}); export again") from error


def dumps(data: Mapping[str, Any]) -> str:
    """JSON in one line."""
    return json.dumps(data, allow_nan=False)


def loads(text: object, source: str) -> dict[str, Any]:
    """The inverse of `dumps`.

    Raises:
        DataError: no JSON object; names `source`.
    """
    try:
        data = json.loads(text if isinstance(text, str | bytes) else str(text))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source}: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise DataError(f"{source}: must be a JSON object, is {type(data).__name__}")
    return data
