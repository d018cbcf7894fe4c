# SPDX-License-Identifier: Apache-2.0
"""What of a source becomes what of a dataset, from the user's options and the format's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zprl_core.actions import ActionCodec
from zprl_core.config import TaskConfig
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.choices import ROTATION_FORMS, Fit, RotationForm
from zprl_core.data.formats.gripper import GripperScale
from zprl_core.data.formats.plan import Plan
from zprl_core.data.formats.source import Source
from zprl_core.data.formats.thinning import stride
from zprl_core.errors import ConfigError, DataError


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What the user says; None: the format's default, or an error where there is none.

    Attributes:
        cameras: {the task's camera: key of the source}, beside the defaults.
        proprio: keys that make q, in this order.
        action: keys that make the action, in this order.
        rotation: how the action's rotations are written.
        gripper: what a gripper command stands for.
        gripper_as_is: the gripper's number is already what the task wants.
        fit: what to do with pictures of another size.
        thin: whether ticks may be left out.
        rate_hz: of the source, where it does not say.
        absolute: the user vouches that the actions are absolute where the source cannot show it.
    """

    cameras: Mapping[str, str] = field(default_factory=dict)
    proprio: tuple[str, ...] | None = None
    action: tuple[str, ...] | None = None
    rotation: RotationForm | None = None
    gripper: GripperScale | None = None
    gripper_as_is: bool = False
    fit: Fit = "exact"
    thin: bool = False
    rate_hz: float | None = None
    absolute: bool = False


def make_plan(source: Source, task: TaskConfig, options: ImportOptions) -> Plan:
    """What becomes what, from the user's options and the format's defaults.

    Raises:
        DataError: a camera or the rate is missing, the rates differ, actions are not absolute, or L is
            another one than the task's.
        ConfigError: something has to be said that was not; names the option.
    """
    _check_lead(source, task)
    defaults = source.defaults(task)
    action = _said(options.action, defaults.action, "--action KEY,KEY", source)
    if not options.absolute:
        source.check_actions(action)
    return Plan(
        task=task,
        cameras=_cameras(source, task, {**defaults.cameras, **options.cameras}),
        proprio=_proprio_keys(source, task, options, defaults.proprio),
        action=action,
        form=_form(source, task, options, defaults.rotation),
        stride=_stride(source, task, options),
        fit=options.fit,
    )


def _said(
    said: tuple[str, ...] | None, default: tuple[str, ...] | None, option: str, source: Source
) -> tuple[str, ...]:
    """Keys that the user names, or the format's."""
    keys = default if said is None else said
    if keys is None:
        raise ConfigError(
            f"{source.path}: its keys do not say which ones to take: give {option}; it has: "
            + ", ".join(source.available())
        )
    for key in keys:
        _require(source, key, option)
    return keys


def _require(source: Source, key: str, option: str) -> None:
    if key not in source.available():
        raise DataError(
            f"{source.path}: has no '{key}'; choose with {option} one of: {', '.join(source.available())}"
        )


def _proprio_keys(
    source: Source, task: TaskConfig, options: ImportOptions, default: tuple[str, ...] | None
) -> tuple[str, ...]:
    if task.observation.proprio_dim == 0 and options.proprio is None:
        return ()
    return _said(options.proprio, default, "--proprio KEY,KEY", source)


def _cameras(source: Source, task: TaskConfig, keys: Mapping[str, str]) -> dict[str, str]:
    views = [view.name for view in task.observation.cameras]
    for name in keys:
        if name not in views:
            raise ConfigError(
                f"--camera {name}=...: task {task.name} has no such camera; it has: "
                + (", ".join(views) or "none")
            )
    for name in views:
        if name not in keys:
            raise DataError(
                f"{source.path}: no pictures for camera '{name}' of task {task.name}; say which with "
                f"--camera {name}=KEY, one of: {', '.join(source.available())}"
            )
        _require(source, keys[name], f"--camera {name}=KEY")
    return {name: keys[name] for name in views}


def _form(
    source: Source, task: TaskConfig, options: ImportOptions, default: RotationForm | None
) -> ActionForm:
    codec, own = ActionCodec.from_config(task.action), source.own
    rotation = options.rotation or (default if codec.rotation != "none" else "task")
    if rotation is None:
        raise ConfigError(
            f"{source.path}: does not say how its actions write a rotation: give --action-rotation, one of: "
            + ", ".join(ROTATION_FORMS)
        )
    written = None if own is None else own.codec
    if rotation == "task" and written is not None and not written.means_the_same(codec):
        raise DataError(
            f"{source.path}: its actions are those of another task: {written}, task {task.name} has {codec}; "
            "export it again with --action-rotation quat_wxyz, which stands for the same poses in every task"
        )
    gripper = options.gripper
    if own is not None and gripper is None and not options.gripper_as_is:
        gripper = own.gripper
    elif codec.rotation != "none" and codec.gripper and gripper is None and not options.gripper_as_is:
        raise ConfigError(
            f"{source.path}: the actions of task {task.name} end with the gripper's width in m: say what the "
            "source's number stands for with --gripper-open COMMAND WIDTH --gripper-closed COMMAND WIDTH, or "
            "keep it with --gripper-as-is"
        )
    return ActionForm(codec, rotation, gripper)


def _stride(source: Source, task: TaskConfig, options: ImportOptions) -> int:
    rate = source.rate_hz if options.rate_hz is None else options.rate_hz
    if rate is None:
        raise ConfigError(f"{source.path}: does not say its rate: give --rate HZ")
    if source.rate_hz is not None and abs(rate - source.rate_hz) > 1e-3 * rate:
        raise ConfigError(f"--rate {rate:g}: {source.path} says that it has {source.rate_hz:g} Hz")
    return stride(rate, task.rate_hz, options.thin, str(source.path))


def _check_lead(source: Source, task: TaskConfig) -> None:
    lead = None if source.own is None else source.own.lead_steps
    if lead not in (None, task.observation.lead_steps):
        raise DataError(
            f"{source.path}: was made with lead_steps = {lead}, task {task.name} has observation.lead_steps: "
            f"{task.observation.lead_steps}; set the dataset's in the task"
        )
