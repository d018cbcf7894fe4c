# SPDX-License-Identifier: Apache-2.0
"""Arguments in the style of `ros2 launch`, name:=value, and the session that they mean."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zprl_core import panel_address, start
from zprl_core.bags.named import bags_named
from zprl_core.config import load_task
from zprl_core.config.loader import did_you_mean
from zprl_core.errors import ConfigError
from zprl_core.prepared import Prepared
from zprl_core.replay.modes import AUTO, MODES
from zprl_core.run_folder import Mode
from zprl_core.session_options import SessionOptions
from zprl_core.wanted_evaluation import ERROR_RATE, ONLY, SEED

if TYPE_CHECKING:
    from zprl_core.replay.session import Replay

REPLAY = "replay"
_COMMON = {
    "rig": "name of the rig, or a .yaml file",
    "task": "name of the task, or a .yaml file",
    "seed": "of every random draw; empty: 0",
    "panel": "host:port of the operator's panel, or none; empty: on this machine, where a person labels",
}
_POLICY = {
    "realtime": "true: wall clock, false: lockstep; empty: the rig's",
    "shadow": "true: everything runs with the motors off; empty: false",
    "operator": "true: a person labels instead of the judge, on a simulated rig; empty: false",
    "record": "true: every episode becomes a bag, false: none; empty: true where the rig is real",
    "teleop": "host:port of the teleoperation page, with which a person can take the arms over; empty: none",
}
LAUNCH_ARGUMENTS: dict[str, dict[str, str]] = {
    "train": {
        **_COMMON,
        **_POLICY,
        "base": "base checkpoint; empty: runs/<task>/base.ckpt",
        "out": "folder of the run; empty: runs/<task>/train-<date>-<time>",
        "chunks": "training chunks; empty: the task's budget",
        "episodes": "episodes of each evaluation; empty: the task's",
    },
    "evaluate": {
        **_COMMON,
        **_POLICY,
        "seed": f"of every random draw; empty: {SEED}",
        "policy": "checkpoint or run folder; empty: runs/<task>/base.ckpt",
        "out": "folder of the result; empty: runs/<task>/evaluate-<date>-<time>",
        "episodes": "layouts that each policy gets; empty: the task's",
        "checkpoint": "of a run: training chunks of the state that it kept; empty: its last one",
        "only": f"one policy, openly: {', '.join(ONLY)}; empty: two in turns",
        "cases": "robustness cases of the task, separated by commas, or all; empty: plain layouts",
        "layouts": "file of layouts that somebody chose; empty: the seed draws them",
        "open": "true: people are told which policy drives; empty: false",
        "stop_early": "true: end as soon as the layouts so far decide; empty: false",
        "error_rate": f"of stop_early; empty: {ERROR_RATE:g}",
    },
    "collect": {
        **_COMMON,
        "out": "folder of the collection; empty: runs/<task>/collect-<date>-<time>",
        "episodes": "demonstrations; empty: the task's budget",
        "teleop": "host:port of the teleoperation page; empty: on this machine",
    },
    REPLAY: {
        "bag": "bags or folders of bags, by commas",
        "policy": "checkpoint or run folder; two or more, by commas, are compared (zprl launch)",
        "out": "folder of the result; empty: runs/replay-<date>-<time>",
        "checkpoint": "of a run: its state after so many training chunks; empty: its last one",
        "mode": f"path of the policy: {', '.join(MODES)}; empty: steer for a run, base_c for a checkpoint",
        "rig": "of bags that do not say: a name or a .yaml file",
        "seed": "of the draws; empty: the recorded run's",
        "rate": "times the recorded pace; empty: as fast as the policy takes it",
        "start": "begin so many seconds into each bag; empty: 0",
        "loop": "true: begin again after the last bag; empty: false",
        "skip_bad": "true: leave out bags that cannot be replayed; empty: false",
    },
}
"""Arguments of launch/<mode>.launch.py and of `zprl launch <mode>`, and what they mean."""


def split_arguments(mode: str, settings: Sequence[str]) -> dict[str, str]:
    """["name:=value", ...] to a mapping.

    Raises:
        ConfigError: another form, or a name that the mode does not have.
    """
    known = LAUNCH_ARGUMENTS[mode]
    found: dict[str, str] = {}
    for number, text in enumerate(settings):
        name, separator, value = text.partition(":=")
        if text.startswith("-"):
            raise _option(known, text, settings[number + 1 :])
        if not separator:
            raise ConfigError(f"'{text}' is not of the form name:=value, such as rig:=sim_xarm6")
        if name not in known:
            raise ConfigError(f"unknown launch argument '{name}'{did_you_mean(name, list(known))}")
        found[name] = value
    return found


def _option(known: Mapping[str, str], text: str, after: Sequence[str]) -> ConfigError:
    """What is said of an option such as --rig, whose value may stand in it or come after it."""
    option, _, value = text.partition("=")
    name = option.lstrip("-").replace("-", "_")
    if name not in known:
        return ConfigError(f"unknown option '{option}'{did_you_mean(name, list(known))}")
    if not value and after and not after[0].startswith("-") and ":=" not in after[0]:
        value = after[0]
    return ConfigError(f"'{option}' is not of the form name:=value; write {name}:={value or '...'}")


def prepare(mode: Mode, given: Mapping[str, str]) -> Prepared:
    """What launch/<mode>.launch.py and `zprl launch <mode>` start; an empty value means the default.

    Raises:
        ZprlError: a missing or wrong argument, or anything else that `start` refuses.
    """
    values = {name: value for name, value in given.items() if value}
    for name in ("rig", "task"):
        if name not in values:
            raise ConfigError(f"the launch argument {name}:=... is required: {LAUNCH_ARGUMENTS[mode][name]}")
    home = Path("runs") / load_task(values["task"]).name
    seed = _number(values, "seed")
    common: dict[str, Any] = {
        "rig": values["rig"],
        "task": values["task"],
        "out": Path(values.get("out") or home / time.strftime(f"{mode}-%Y%m%d-%H%M%S")),
        "seed": SEED if seed is None and mode == "evaluate" else seed or 0,
    }
    episodes = _number(values, "episodes")
    panel, teleop = panel_address.wanted(values.get("panel")), values.get("teleop", "")
    if mode == "collect":
        options = SessionOptions.of_demonstrations(panel, teleop)
        return start.collection(episodes=episodes, options=options, **common)
    realtime = _flag(values, "realtime")
    common["options"] = SessionOptions(
        lockstep=None if realtime is None else not realtime,
        shadow=_flag(values, "shadow") or False,
        operator=_flag(values, "operator") or False,
        panel=panel,
        record=_flag(values, "record"),
        teleop=teleop,
    )
    if mode == "train":
        base = Path(values.get("base") or home / "base.ckpt")
        return start.training(base=base, chunks=_number(values, "chunks"), eval_episodes=episodes, **common)
    return _evaluation(values, home, episodes, common)


def replay(given: Mapping[str, str]) -> Replay:
    """What launch/replay.launch.py and `zprl launch replay` start; an empty value means the default.

    Raises:
        ZprlError: a missing or wrong argument, or anything else that `Replay.prepare` refuses.
    """
    from zprl_core.replay.session import Replay, Request

    values = {name: value for name, value in given.items() if value}
    for name in ("bag", "policy"):
        if name not in values:
            text = LAUNCH_ARGUMENTS[REPLAY][name]
            raise ConfigError(f"the launch argument {name}:=... is required: {text}")
    request = Request(
        bags=tuple(bags_named(Path(bag) for bag in values["bag"].split(","))),
        policies=tuple(Path(policy) for policy in values["policy"].split(",")),
        out=Path(values.get("out") or Path("runs") / time.strftime("replay-%Y%m%d-%H%M%S")),
        checkpoint=_number(values, "checkpoint"),
        rig=values.get("rig", ""),
        seed=_number(values, "seed"),
        mode=_choice(values, "mode", ("", *MODES)) or AUTO,
        rate=_positive(values, "rate"),
        start_s=_positive(values, "start") or 0.0,
        loop=_flag(values, "loop") or False,
        skip_bad=_flag(values, "skip_bad") or False,
    )
    return Replay.prepare(request)


def _positive(values: Mapping[str, str], name: str) -> float | None:
    text = values.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise ConfigError(f"launch argument {name}:={text}: not a number above 0")
    return value


def _evaluation(
    values: Mapping[str, str], home: Path, episodes: int | None, common: Mapping[str, Any]
) -> Prepared:
    early = _flag(values, "stop_early")
    return start.evaluation(
        policy=Path(values.get("policy") or home / "base.ckpt"),
        episodes=episodes,
        checkpoint=_number(values, "checkpoint"),
        only=_choice(values, "only", ("", *ONLY)) or None,
        cases=tuple(filter(None, values.get("cases", "").split(","))),
        layouts=Path(values["layouts"]) if "layouts" in values else None,
        open_=_flag(values, "open") or False,
        error_rate=_share(values, "error_rate", ERROR_RATE) if early else None,
        **common,
    )


def _number(values: Mapping[str, str], name: str) -> int | None:
    text = values.get(name, "")
    if not text:
        return None
    if not text.isdecimal():
        raise ConfigError(f"launch argument {name}:={text}: not a whole number of at least 0")
    return int(text)


def _share(values: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(values.get(name, default))
    except ValueError:
        value = math.nan
    if not 0.0 < value < 1.0:
        raise ConfigError(f"launch argument {name}:={values.get(name)}: not a number between 0 and 1")
    return value


def _flag(values: Mapping[str, str], name: str) -> bool | None:
    """Whether it is "true"; None where nothing was said."""
    return {"": None, "true": True, "false": False}[_choice(values, name, ("", "true", "false"))]


def _choice(values: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    text = values.get(name, "")
    if text not in allowed:
        choices = ", ".join(sorted(filter(None, allowed), reverse=True))
        raise ConfigError(f"launch argument {name}:={text}: allowed: {choices}")
    return text
