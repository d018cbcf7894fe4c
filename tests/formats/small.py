"""A small dataset of ours, and a task of its sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from tests.formats.foreign import pictures
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import DelayConfig, TaskConfig, load_task
from zprl_core.data.episode import Episode, EpisodeInfo, Header
from zprl_core.data.reading import StoredDataset, open_dataset
from zprl_core.data.writing import DatasetWriter
from zprl_core.provenance import Provenance
from zprl_core.transforms import quaternion_multiply

PLACE_ORANGE = load_task("place_orange_demo")
PROVENANCE = Provenance(
    rig="xarm6_cell", calibration="2026-05-01", delays=(DelayConfig(name="camera third_view", delay_s=0.033),)
)


def header_of(task: TaskConfig) -> Header:
    return Header(
        task=task.name,
        rate_hz=task.rate_hz,
        lead_steps=task.observation.lead_steps,
        cameras={view.name: (view.height, view.width) for view in task.observation.cameras},
        proprio_dim=task.observation.proprio_dim,
        action_dim=task.action.dim,
        action=ActionCodec.from_config(task.action),
        provenance=PROVENANCE,
        facts={"seed": 7},
    )


def episode_of(header: Header, ticks: int, seed: int, outcome: str = "success") -> Episode:
    """Pictures that a codec keeps well, poses within reach, stamps with jitter."""
    rng = np.random.default_rng(seed)
    codec = header.action
    assert codec is not None
    arms = []
    for _ in range(codec.arms):
        relative = np.roll(Rotation.from_rotvec(rng.uniform(-1, 1, (ticks, 3))).as_quat(), 1, axis=1)
        turns = quaternion_multiply(codec.reference_quat_wxyz, relative)
        arms.append(
            ArmWaypoints(
                rng.uniform(-0.5, 0.5, (ticks, 3)),
                turns,
                rng.uniform(0, 0.08, ticks) if codec.gripper else None,
            )
        )
    period_ns = 1e9 / header.rate_hz
    return Episode(
        images={name: pictures(rng, ticks, size) for name, size in header.cameras.items()},
        proprio=rng.uniform(-3, 3, (ticks, header.proprio_dim)).astype(np.float32),
        action=codec.encode(arms).astype(np.float32),
        stamp_ns=(
            1_700_000_000_000_000_000 + np.arange(ticks) * period_ns + rng.integers(0, 1000, ticks)
        ).astype(np.int64),
        info=EpisodeInfo(
            length=ticks,
            outcome=outcome,
            source=f"bags/episode_{seed:06d}",
            label_author="anna",
            helped_chunks=seed % 3,
            repairs=("one picture was repeated",),
            gaps_s={"/cameras/third_view/image": 0.04},
            facts={"layout": [0.1, -0.2]},
        ),
    )


def small_dataset(
    folder: Path, task: TaskConfig = PLACE_ORANGE, lengths: tuple[int, ...] = (7, 4)
) -> StoredDataset:
    header = header_of(task)
    with DatasetWriter(folder, header) as writer:
        for number, ticks in enumerate(lengths):
            writer.add(episode_of(header, ticks, number, "success" if number % 2 == 0 else "failure"))
    return open_dataset(folder)


def with_cameras(task: TaskConfig, height: int, width: int) -> TaskConfig:
    """The task with pictures of another size."""
    views = tuple(
        replace(view, height=height, width=width, crop_height=height, crop_width=width)
        for view in task.observation.cameras
    )
    return replace(task, observation=replace(task.observation, cameras=views))


def assert_same(one: StoredDataset, other: StoredDataset, image_error: float = 0.0) -> None:
    """Everything equal; pictures by their mean absolute error of levels."""
    assert other.header == one.header
    assert other.infos == one.infos
    for first, second in zip(one, other, strict=True):
        for name, array in first.arrays().items():
            if name.startswith("image_") and image_error:
                away = np.abs(array.astype(int) - second.arrays()[name]).mean()
                assert away <= image_error, f"{name}: {away:.2f} levels"
            else:
                np.testing.assert_array_equal(second.arrays()[name], array)
