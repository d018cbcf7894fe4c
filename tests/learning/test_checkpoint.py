"""Checkpoints: whole or refused, and only for the task they belong to."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.learning.tiny import change
from zprl_core import checkpoint
from zprl_core.base import KIND, load_base, new_model, save_base
from zprl_core.config import DelayConfig, TaskConfig
from zprl_core.errors import CheckpointError, ConfigError
from zprl_core.provenance import Provenance


@pytest.fixture
def saved(task: TaskConfig, tmp_path: Path) -> Path:
    save_base(tmp_path / "base.ckpt", new_model(task, 0), task, {"note": "hello", "losses": [0.5, 0.25]})
    return tmp_path / "base.ckpt"


def test_round_trip(task: TaskConfig, saved: Path) -> None:
    model, trained_for, info = load_base(saved, task)
    expected = new_model(task, 0).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    assert trained_for == task
    assert info == {"note": "hello", "losses": [0.5, 0.25]}
    assert not any(p.requires_grad for p in model.parameters())
    assert list(saved.parent.iterdir()) == [saved]


def test_truncated_anywhere(saved: Path) -> None:
    data = saved.read_bytes()
    for size in [0, 1, 100, len(data) // 2, len(data) - 1000, len(data) - 100, len(data) - 1]:
        saved.write_bytes(data[:size])
        with pytest.raises(CheckpointError, match=r"base\.ckpt is (truncated|damaged) or not a checkpoint"):
            load_base(saved)


def test_not_a_checkpoint(tmp_path: Path, task: TaskConfig) -> None:
    with pytest.raises(CheckpointError, match=r"missing\.ckpt does not exist"):
        load_base(tmp_path / "missing.ckpt")
    with pytest.raises(CheckpointError, match="is a folder"):
        load_base(tmp_path)
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="not a ZPRL checkpoint"):
        load_base(tmp_path / "other.pt")
    torch.save(object, tmp_path / "code.pt")
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        load_base(tmp_path / "code.pt")


def test_other_kind(tmp_path: Path, task: TaskConfig) -> None:
    checkpoint.save(tmp_path / "x", "learner", task.to_dict(), {})
    with pytest.raises(CheckpointError, match="holds a learner, a base policy is needed"):
        load_base(tmp_path / "x")


def test_other_format(saved: Path, task: TaskConfig) -> None:
    content = torch.load(saved, weights_only=True)
    torch.save({**content, "format": 99}, saved)
    with pytest.raises(CheckpointError, match="format is 99, this version reads 1 and 2"):
        load_base(saved)


def test_it_says_where_it_comes_from(saved: Path, task: TaskConfig) -> None:
    assert checkpoint.load(saved, KIND).provenance is None
    cell = Provenance(
        rig="cell", calibration="cell-1", delays=(DelayConfig(name="proprioception", delay_s=0.01),)
    )
    save_base(saved, new_model(task, 0), task, provenance=cell)
    assert checkpoint.load(saved, KIND).provenance == cell
    content = torch.load(saved, weights_only=True)
    torch.save({**content, "provenance": {"rig": 3}}, saved)
    with pytest.raises(ConfigError, match=r"base\.ckpt: provenance: rig: 3 is not text"):
        checkpoint.load(saved, KIND)


def test_format_1_is_read_and_does_not_say_it(saved: Path, task: TaskConfig) -> None:
    content = torch.load(saved, weights_only=True)
    del content["provenance"]
    torch.save({**content, "format": 1}, saved)
    load_base(saved, task)
    assert checkpoint.load(saved, KIND).provenance is None


@pytest.mark.parametrize(
    ("section", "key", "value", "field"),
    [
        ("observation", "lead_steps", 3, "observation.lead_steps"),
        ("action", "chunk", 8, "action.chunk"),
        ("policy", "unet_widths", (8, 24), "policy.unet_widths"),
        ("bottleneck", "latent_dim", 5, "bottleneck.latent_dim"),
    ],
)
def test_another_task_names_the_field(
    saved: Path, task: TaskConfig, section: str, key: str, value: object, field: str
) -> None:
    with pytest.raises(CheckpointError, match=field):
        load_base(saved, change(task, section, **{key: value}))


def test_learning_settings_may_differ(saved: Path, task: TaskConfig) -> None:
    load_base(saved, change(change(task, "rl", gamma=0.5), "bottleneck", steps=7))


def test_another_name_is_another_task(saved: Path, task: TaskConfig) -> None:
    with pytest.raises(CheckpointError, match="flip_pancake"):
        load_base(saved, dataclasses.replace(task, name="flip_pancake"))


def test_a_failed_write_leaves_the_old_file(saved: Path, task: TaskConfig) -> None:
    before = saved.read_bytes()
    with pytest.raises(Exception, match="pickle"):
        checkpoint.save(saved, "base policy", task.to_dict(), {"bad": lambda: None})
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
