# SPDX-License-Identifier: Apache-2.0
"""Bags and policies for replay: small, made up, and the same every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer

from tests.datasets import bags
from zprl_core.base import new_model, save_base
from zprl_core.config import TaskConfig


def task() -> TaskConfig:
    """The task of `tests.datasets.bags` with small networks and chunks of 8 ticks."""
    small = bags.task()
    return replace(
        small,
        action=replace(small.action, chunk=8),
        policy=replace(small.policy, resnet_width=8, unet_widths=(16, 32), image_embedding=16),
        bottleneck=replace(small.bottleneck, hidden=32, latent_dim=4),
    )


def base(path: Path, of: TaskConfig | None = None, seed: int = 0) -> Path:
    """An untrained base policy of a task."""
    of = of or task()
    model = new_model(of, seed)
    reach = torch.full((of.action.dim,), 0.1)
    q = torch.zeros(of.observation.proprio_dim)
    model.policy.fit_normalizers(torch.stack([-reach, reach]), torch.stack([q - 300.0, q + 300.0]))
    save_base(path, model, of, {})
    return path


def bag(folder: Path, **changes: object) -> Path:
    """A bag of 3 s of which an episode was running for 2."""
    run = {"lead_steps": "2", "lockstep": "false", "seed": "7", "task": task().name}
    return bags.Made(run=run, **changes).write(folder)


def as_sqlite3(source: Path, folder: Path) -> Path:
    """The same messages in a bag of rosbag2's sqlite3, which has no attachments."""
    with (
        AnyReader([source]) as reader,
        Writer(folder, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer,
    ):
        made = {
            each.id: writer.add_connection(
                each.topic,
                each.msgtype,
                msgdef=each.msgdef.data,
                rihs01=each.digest,
                serialization_format="cdr",
            )
            for each in reader.connections
        }
        for connection, log_ns, data in reader.messages():
            writer.write(made[connection.id], log_ns, data)
    return folder
