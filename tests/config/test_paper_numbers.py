# SPDX-License-Identifier: Apache-2.0
"""The tasks against the paper's Tables III, V, VI and VII, typed in again from its text."""

from __future__ import annotations

import pytest

from zprl_core.config import load_task, task_names

SIMULATION = ("can", "square", "transport", "box_close", "door", "hammer", "pen", "push_wall")
REAL = ("place_orange", "flip_egg", "open_box", "insert_bills")

# dim(z), lambda, image, crop, cameras, dim(q), observations, dim(a), chunk, repeat, warm-up chunks
TABLE_VI = {
    "can": (16, 0.25, (84, 84), (76, 76), 2, 9, 1, 10, 4, 1, 1000),
    "square": (16, 0.2, (84, 84), (76, 76), 2, 9, 1, 10, 4, 1, 2000),
    "transport": (32, 0.1, (84, 84), (76, 76), 4, 18, 1, 20, 5, 1, 4000),
    "box_close": (16, 1.5, (84, 84), (80, 80), 1, 9, 1, 4, 2, 1, 10000),
    "door": (16, 0.75, (84, 84), (80, 80), 1, 24, 1, 28, 2, 2, 4000),
    "hammer": (16, 0.5, (84, 84), (80, 80), 1, 24, 1, 26, 2, 2, 4000),
    "pen": (16, 0.4, (84, 84), (80, 80), 1, 24, 1, 24, 2, 2, 2000),
    "push_wall": (16, 1.5, (84, 84), (80, 80), 1, 9, 1, 4, 2, 1, 10000),
}
TABLE_VII = {
    "place_orange": (32, 0.2, (110, 280), (106, 276), 1, 7, 1, 7, 16, 1, 300),
    "flip_egg": (32, 0.2, (128, 128), (124, 124), 1, 7, 3, 6, 16, 1, 300),
    "open_box": (32, 0.175, (128, 128), (124, 124), 3, 16, 1, 16, 16, 1, 500),
    "insert_bills": (32, 0.15, (120, 160), (116, 156), 3, 16, 2, 16, 24, 1, 500),
}
RATES_HZ = {"place_orange": 30, "flip_egg": 10, "open_box": 20, "insert_bills": 20}  # Table VII
# demonstrations, online trajectories, offline pairs, online chunks, offline hours, online hours
TABLE_III = {
    "place_orange": (100, 370, 29_100, 6_600, 1.0, 3.5),
    "flip_egg": (150, 1350, 20_200, 10_500, 2.0, 8.5),
    "open_box": (82, 330, 23_500, 5_500, 1.0, 4.0),
    "insert_bills": (100, 949, 76_800, 30_300, 2.5, 12.5),
}


def test_all_twelve_tasks_exist() -> None:
    assert set(SIMULATION + REAL) <= set(task_names())


@pytest.mark.parametrize("name", SIMULATION + REAL)
def test_tables_vi_and_vii(name: str) -> None:
    latent, lambda_, image, crop, cameras, dq, steps, da, chunk, repeat, warmup = (TABLE_VI | TABLE_VII)[name]
    task = load_task(name)
    assert task.bottleneck.latent_dim == latent
    assert task.rl.lambda_ == lambda_
    assert len(task.observation.cameras) == cameras
    for view in task.observation.cameras:
        assert (view.height, view.width) == image
        assert (view.crop_height, view.crop_width) == crop
    assert task.observation.proprio_dim == dq
    assert task.observation.steps == steps
    assert task.action.dim == da
    assert task.action.chunk == chunk
    assert task.action.repeat == repeat
    assert task.rl.warmup_chunks == warmup


@pytest.mark.parametrize("name", SIMULATION + REAL)
def test_table_v(name: str) -> None:
    rl, simulated = load_task(name).rl, name in SIMULATION
    bills = name == "insert_bills"
    assert (rl.batch_size, rl.actor_lr, rl.critic_lr) == (256, 1e-4, 3e-4)
    assert rl.gamma == {"transport": 0.997, "insert_bills": 0.998}.get(name, 0.99)
    assert rl.utd == (1 if simulated else 5 if bills else 2)
    assert rl.critics == (2 if simulated else 10 if bills else 5)
    assert rl.target_entropy_per_dim == -0.5
    assert (rl.tau, rl.initial_temperature) == (0.005, 0.01)
    assert (rl.hidden, rl.layers) == (256, 4)
    assert (rl.log_std_min, rl.log_std_max) == (-10, 2)


@pytest.mark.parametrize("name", SIMULATION + REAL)
def test_appendix(name: str) -> None:
    task, simulated = load_task(name), name in SIMULATION
    assert task.policy.unet_widths == ((128, 256, 512) if simulated else (256, 384, 512))
    assert task.policy.image_embedding == 256
    assert task.policy.flow_steps == 100
    assert task.policy.sampling == (1.0, 0.01, 0.0)
    assert (task.bottleneck.hidden, task.bottleneck.layers, task.bottleneck.beta) == (256, 4, 1e-4)
    assert task.bottleneck.joint
    assert task.pretrain.epochs == 1000
    assert task.pretrain.batch_size in (128, 256)
    adroit = name in ("door", "hammer", "pen")
    assert task.rl.layer_norm == task.dense_reward == adroit
    assert task.observation.proprioception == ("end_effector_pose" if simulated else "joint_angles")
    assert not task.smaller_than_paper


@pytest.mark.parametrize("name", REAL)
def test_table_iii_and_rates(name: str) -> None:
    task = load_task(name)
    budget = task.budget
    assert (
        budget.demonstrations,
        budget.episodes,
        budget.demonstration_pairs,
        budget.chunks,
        budget.demonstration_hours,
        budget.hours,
    ) == TABLE_III[name]
    assert task.rate_hz == RATES_HZ[name]
    assert task.evaluation.episodes == 40
    assert task.evaluation.every_chunks


@pytest.mark.parametrize("name", SIMULATION)
def test_simulated_tasks_have_100_demonstrations(name: str) -> None:
    assert load_task(name).budget.demonstrations == 100


@pytest.mark.parametrize("name", REAL)
def test_horizon_leaves_room_above_the_mean_episode(name: str) -> None:
    task = load_task(name)
    assert task.budget.episodes is not None
    mean_steps = task.budget.chunks / task.budget.episodes * task.action.chunk
    assert 1.2 * mean_steps < task.horizon_steps < 3 * mean_steps


@pytest.mark.parametrize(
    ("name", "rotation", "arms", "gripper"),
    [
        ("can", "rot6d", 1, True),
        ("transport", "rot6d", 2, True),
        ("place_orange", "rotvec", 1, True),
        ("flip_egg", "rotvec", 1, False),
        ("open_box", "quat", 2, True),
        ("insert_bills", "quat", 2, True),
    ],
)
def test_action_layouts(name: str, rotation: str, arms: int, gripper: bool) -> None:
    action = load_task(name).action
    assert (action.rotation, action.arms, action.gripper) == (rotation, arms, gripper)


def test_the_demo_says_what_is_smaller() -> None:
    demo, full = load_task("place_orange_demo"), load_task("place_orange")
    assert demo.smaller_than_paper
    assert demo.success == full.success
    assert demo.action == full.action
    assert demo.rl.gamma == full.rl.gamma
