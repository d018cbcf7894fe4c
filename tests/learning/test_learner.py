"""The learner: what it owes, and that a killed run goes on as if nothing had happened."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.learning.tiny import change
from zprl_core import record_log
from zprl_core.base import new_model
from zprl_core.config import TaskConfig
from zprl_core.errors import CheckpointError, ConfigError, DataError
from zprl_core.record_log import RecordLog
from zprl_core.rl.learner import Correction, LatentSpec, Learner, load_actor
from zprl_core.rl.transition import Transition

C, Z = 6, 4
LATENT = LatentSpec(np.full(C, 2.0, np.float32), np.full(C, 4.0, np.float32), Z, 0.5)


def transitions(count: int, chunks: int = 5) -> list[Transition]:
    """Episodes of five chunks; every second one ends in success."""
    rng = np.random.default_rng(0)

    def draw(size: int) -> np.ndarray:
        return rng.standard_normal(size, dtype=np.float32)

    return [
        Transition(
            episode=i // chunks,
            chunk=i % chunks,
            c=draw(C),
            z=draw(Z),
            z_tilde=draw(Z),
            reward=float(last and i // chunks % 2),
            terminal=bool(last and i // chunks % 2),
            last=last,
            c_next=draw(C),
            z_next=draw(Z),
        )
        for i in range(count)
        for last in [i % chunks == chunks - 1]
    ]


def learner(task: TaskConfig, path: Path, seed: int = 0) -> Learner:
    return Learner(task, LATENT, seed, RecordLog(path))


def everything(one: Learner) -> dict[str, bytes]:
    """All state as bytes."""
    found = {name: value.numpy().tobytes() for name, value in one.sac.state_dict().items()}
    for name, optimizer in one.sac.optimizers.items():
        for key, state in optimizer.state_dict()["state"].items():
            found |= {f"{name}{key}{k}": v.numpy().tobytes() for k, v in state.items()}
    found["counters"] = repr(one.counters).encode()
    found["metrics"] = repr(one.metrics).encode()
    return found


def test_updates_owed(task: TaskConfig, tmp_path: Path) -> None:
    """Warm-up of three chunks, UTD 2."""
    one = learner(task, tmp_path / "log")
    counts = []
    for t in transitions(6):
        before = one.actor_bytes()
        assert one.update(t) == one.version
        counts.append(one.counters.updates)
        assert (one.actor_bytes() == before) == (one.counters.transitions <= 3 or t.last)
    assert counts == [0, 0, 0, 2, 2, 6]  # those of an ending are made when its label is final
    assert one.version == 7


def test_catch_up_burst(task: TaskConfig, tmp_path: Path) -> None:
    one = learner(change(task, "rl", catch_up_burst=True), tmp_path / "log")
    counts = []
    for t in transitions(5):
        one.update(t)
        counts.append(one.counters.updates)
    one.settle()
    assert counts == [0, 0, 0, 2 + 6, 8] and one.counters.updates == 10


def test_extra_updates_come_with_the_end_of_an_episode(task: TaskConfig, tmp_path: Path) -> None:
    one = learner(change(task, "rl", extra_utd=3), tmp_path / "log")
    counts = []
    for t in transitions(10):
        one.update(t)
        one.settle()
        counts.append(one.counters.updates)
    # The first episode has two chunks after the warm-up, the second five.
    assert counts == [0, 0, 0, 2, 4 + 6, 12, 14, 16, 18, 20 + 15]


def test_an_ending_that_is_not_learned_from_leaves_the_extra_updates_of_its_episode(
    task: TaskConfig, tmp_path: Path
) -> None:
    one = learner(change(task, "rl", extra_utd=3), tmp_path / "log")
    some = transitions(10)
    for each in (*some[:9], dataclasses.replace(some[9], excluded="operator")):
        one.update(each)
    one.settle()
    assert one.counters.updates == (2 + 2 + 2 * 3) + (4 * 2 + 4 * 3)


def test_a_void_episode_leaves_no_extra_updates_to_the_next(task: TaskConfig, tmp_path: Path) -> None:
    extra = change(task, "rl", extra_utd=1, warmup_chunks=1, utd=0)
    one = learner(extra, tmp_path / "log")
    some = transitions(10)
    for each in (*some[:3], *some[5:10]):  # the first episode has no ending
        one.update(each)
    one.settle()
    assert one.counters.updates == 5


def test_excluded_transitions_are_logged_and_not_learned_from(task: TaskConfig, tmp_path: Path) -> None:
    one = learner(task, tmp_path / "log")
    for i, t in enumerate(transitions(6)):
        one.update(dataclasses.replace(t, excluded="operator") if i == 1 else t)
    assert (one.counters.excluded, one.counters.transitions, len(one.replay)) == (1, 5, 5)
    assert one.counters.updates == 4
    assert one.version == 7
    assert [r.get("excluded") for _, r in record_log.read(tmp_path / "log")][1] == "operator"


def test_the_same_transition_twice_counts_once(task: TaskConfig, tmp_path: Path) -> None:
    one = learner(task, tmp_path / "log")
    for t in transitions(5):
        one.update(t)
    before = everything(one)
    assert one.update(transitions(5)[4]) == 5
    assert everything(one) == before
    assert one.log.count == 5


def test_c_is_standardised_in_replay(task: TaskConfig, tmp_path: Path) -> None:
    one, t = learner(task, tmp_path / "log"), transitions(1)[0]
    one.update(t)
    batch = one.replay.gather(np.array([0, 0]))
    np.testing.assert_allclose(batch.c[1], (t.c - 2) / 4, rtol=1e-6)
    np.testing.assert_allclose(batch.c_next[1], (t.c_next - 2) / 4, rtol=1e-6)
    np.testing.assert_array_equal(batch.z_tilde[0], t.z_tilde)


def test_replay_grows(task: TaskConfig, tmp_path: Path) -> None:
    one = learner(change(task, "rl", warmup_chunks=10_000), tmp_path / "log")
    many = transitions(1100)
    for t in many:
        one.update(t)
    assert len(one.replay) == 1100
    np.testing.assert_array_equal(one.replay.gather(np.array([1099, 3])).z[0], many[1099].z)
    np.testing.assert_array_equal(one.replay.gather(np.array([1099, 3])).z[1], many[3].z)


@pytest.mark.parametrize("change_to", [{"z": np.zeros(3, np.float32)}, {"c": np.full(C, np.nan, np.float32)}])
def test_bad_transitions_leave_no_trace(
    task: TaskConfig, tmp_path: Path, change_to: dict[str, np.ndarray]
) -> None:
    one = learner(task, tmp_path / "log")
    with pytest.raises(DataError, match="episode 0, chunk 0"):
        one.update(dataclasses.replace(transitions(1)[0], **change_to))
    with pytest.raises(DataError, match="reward is nan"):
        one.update(dataclasses.replace(transitions(1)[0], reward=float("nan")))
    assert (one.version, one.log.count) == (0, 0)


def test_networks_that_diverge_are_said_to_and_are_not_kept(task: TaskConfig, tmp_path: Path) -> None:
    """A rate that is far too high; the last good checkpoint stays, and the log has the transitions."""
    one, path = (
        learner(change(task, "rl", critic_lr=1.0, actor_lr=1.0, clamp_targets=False), tmp_path / "log"),
        tmp_path / "c",
    )
    some = transitions(60)
    for each in some[:4]:
        one.update(each)
    one.save(path)
    kept = path.read_bytes()
    with torch.no_grad():
        next(one.sac.critics.parameters()).mul_(1e30)
    problem = r"after \d+ updates .* is not finite: the networks have diverged and are not kept"
    with pytest.raises(DataError, match=problem):
        for each in some[4:]:
            one.update(each)
    with pytest.raises(DataError, match=problem):
        one.save(path)
    assert path.read_bytes() == kept
    assert sum(1 for _ in record_log.read(tmp_path / "log")) > 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_what_a_gpu_needs_is_made_before_the_first_episode(task: TaskConfig, tmp_path: Path) -> None:
    lines = list[str]()
    asked = Learner(task, LATENT, 0, RecordLog(tmp_path / "a"), device="cuda", notice=lines.append)
    asked.prepare()
    assert lines == ["learner on cuda: torch finds no CUDA GPU here; the CPU is used"]
    plain = learner(task, tmp_path / "b")
    for each in transitions(8):
        asked.update(each)
        plain.update(each)
    assert everything(asked) == everything(plain) and len(lines) == 1 and asked.device == "cpu"


def test_a_correction_before_the_label_is_final_costs_nothing(task: TaskConfig, tmp_path: Path) -> None:
    """An undone label: no update was made with the old one."""
    one, other = learner(task, tmp_path / "log"), learner(task, tmp_path / "other")
    many = transitions(5)
    for t in many:
        one.update(t)
    assert one.correct(0, 4, "success") == Correction(0, 4, "horizon", "success", (2, 2))
    one.settle()
    for t in (*many[:4], dataclasses.replace(many[4], reward=1.0, terminal=True)):
        other.update(t)
    other.settle()
    assert one.actor_bytes() == other.actor_bytes()


def test_a_late_correction_says_which_updates_it_comes_after(task: TaskConfig, tmp_path: Path) -> None:
    one = learner(task, tmp_path / "log")
    for t in transitions(7):
        one.update(t)
    assert one.correct(0, 4, "success") == Correction(0, 4, "horizon", "success", (2, 8))
    batch = one.replay.gather(np.arange(7))
    assert batch.reward.tolist() == [0, 0, 0, 0, 1, 0, 0]
    assert batch.terminal.tolist() == [0, 0, 0, 0, 1, 0, 0]
    assert one.correct(0, 4, "success") is None and one.correct(9, 0, "failure") is None
    assert one.correct(0, 4, "failure") == Correction(0, 4, "success", "failure", (8, 8))
    other = learner(task, tmp_path / "log")
    assert list(other.replay_log()) == list(range(1, 11))
    assert everything(other) == everything(one) and other.corrections == one.corrections


def test_it_tells_whether_its_checkpoint_is_of_episodes_that_are_forgotten(
    task: TaskConfig, tmp_path: Path
) -> None:
    one = learner(task, tmp_path / "log")
    for t in transitions(7):
        one.update(t)
    assert one.has_seen_after(0) and not one.has_seen_after(1)
    one.forget_episodes_after(0)
    assert not one.has_seen_after(0) and one.counters.records == 0


@pytest.mark.parametrize("corrected_first", [True, False])
def test_a_checkpoint_keeps_which_updates_a_wrong_label_was_in(
    task: TaskConfig, tmp_path: Path, corrected_first: bool
) -> None:
    one = learner(task, tmp_path / "log")
    for t in transitions(7):
        one.update(t)
    if corrected_first:
        one.correct(0, 4, "success")
    one.save(tmp_path / "checkpoint")
    resumed = learner(task, tmp_path / "log")
    resumed.load(tmp_path / "checkpoint")
    if not corrected_first:
        resumed.correct(0, 4, "success")
    assert resumed.corrections == [Correction(0, 4, "horizon", "success", (2, 8))]


@pytest.mark.parametrize("outcome", ["void", "horizon"])
def test_a_void_ending_is_never_drawn_again(task: TaskConfig, tmp_path: Path, outcome: str) -> None:
    """A horizon without an observation behind it cannot be bootstrapped, and is as good as void."""
    one, many = learner(task, tmp_path / "log"), transitions(10)
    many[4] = dataclasses.replace(many[4], reward=1.0, terminal=True, c_next=many[4].c)
    for t in many[:5]:
        one.update(t)
    assert one.correct(0, 4, outcome) is not None
    assert (len(one.replay), one.counters.transitions, one.counters.corrected) == (4, 4, 1)
    one.settle()
    assert one.counters.updates == 2  # a void ending owes none
    for t in many[5:]:
        one.update(t)
    drawn = one.replay.gather(np.arange(9)).z.numpy()
    np.testing.assert_array_equal(drawn, [t.z for t in many[:4] + many[5:]])
    back = one.correct(0, 4, "success")
    if outcome == "void":
        assert back is None
        return
    assert back == Correction(0, 4, "horizon", "success", (2, one.counters.updates))
    assert (len(one.replay), one.counters.transitions, one.counters.corrected) == (10, 10, 2)
    whole = one.replay.gather(np.arange(10))
    np.testing.assert_array_equal(whole.z.numpy(), [t.z for t in many])
    assert whole.reward[4].item() == whole.terminal[4].item() == 1.0
    again = learner(task, tmp_path / "log")
    assert list(again.replay_log())[-1] == one.version and everything(again) == everything(one)


@pytest.mark.parametrize("critics", [2, 5])
@pytest.mark.parametrize(("saved_after", "killed_after"), [(0, 4), (7, 7), (7, 12), (5, 5), (5, 15)])
def test_kill_and_resume(
    task: TaskConfig, tmp_path: Path, critics: int, saved_after: int, killed_after: int
) -> None:
    """Undisturbed, and killed: a checkpoint, more transitions, a new process, the log replayed, the rest."""
    task, many = change(task, "rl", critics=critics, extra_utd=1, catch_up_burst=True), transitions(20)
    saved_version = 0
    whole = learner(task, tmp_path / "whole")
    for t in many:
        whole.update(t)
    first = learner(task, tmp_path / "log")
    for i, t in enumerate(many[:killed_after]):
        first.update(t)
        if i + 1 == saved_after:
            first.save(tmp_path / "ckpt")
            saved_version = first.version
    killed_version = first.version
    del first
    torch.manual_seed(99)  # nothing may hang on torch's own generator
    second = learner(task, tmp_path / "log")
    if saved_after:
        second.load(tmp_path / "ckpt")
        assert second.version == saved_version
    assert list(second.replay_log()) == list(range(saved_version + 1, killed_version + 1))
    for t in many[killed_after:]:
        second.update(t)
    assert everything(second) == everything(whole)
    assert (tmp_path / "log").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("saved_after", [8, 13])
def test_an_interrupted_episode_is_forgotten_and_run_again(
    task: TaskConfig, tmp_path: Path, saved_after: int
) -> None:
    """Killed in episode 2; the checkpoint is from before (8) or, worse, from within (13)."""
    many = transitions(20)
    whole = learner(task, tmp_path / "whole")
    for t in many:
        whole.update(t)
    first = learner(task, tmp_path / "log")
    for i, t in enumerate(many[:14]):
        first.update(t)
        if i + 1 == saved_after:
            first.save(tmp_path / "ckpt")
    second = learner(task, tmp_path / "log")
    second.load(tmp_path / "ckpt")
    second.forget_episodes_after(1)
    assert second.log.count == 12
    list(second.replay_log())
    assert second.version == 12
    for t in many[10:]:
        second.update(t)
    assert everything(second) == everything(whole)
    second.forget_episodes_after(-1)
    assert (second.version, second.log.count) == (0, 0)


def test_seeds_differ(task: TaskConfig, tmp_path: Path) -> None:
    runs = [learner(task, tmp_path / f"log{seed}", seed) for seed in (0, 1)]
    assert runs[0].actor_bytes() != runs[1].actor_bytes()


def test_a_checkpoint_must_fit_the_run(task: TaskConfig, tmp_path: Path) -> None:
    one = learner(task, tmp_path / "log")
    for t in transitions(6):
        one.update(t)
    one.save(tmp_path / "ckpt")
    with pytest.raises(CheckpointError, match="seed is 0, this run has 1"):
        learner(task, tmp_path / "log", seed=1).load(tmp_path / "ckpt")
    moved = dataclasses.replace(LATENT, c_mean=LATENT.c_mean + 1.0)
    with pytest.raises(CheckpointError, match="c_mean is another one"):
        Learner(task, moved, 0, RecordLog(tmp_path / "log")).load(tmp_path / "ckpt")
    other = dataclasses.replace(LATENT, lambda_=0.7)
    with pytest.raises(CheckpointError, match=r"lambda is 0\.5, this run has 0.7"):
        Learner(task, other, 0, RecordLog(tmp_path / "log")).load(tmp_path / "ckpt")
    with pytest.raises(CheckpointError, match=r"has seen 7 records, but .*short holds only 0"):
        learner(task, tmp_path / "short").load(tmp_path / "ckpt")


def test_what_a_learner_knows_of_a_model(task: TaskConfig) -> None:
    """4 numbers of z, or a chunk of 4 waypoints of 7 numbers."""
    model = new_model(task, 0)
    model.bottleneck.c_mean.fill_(3.0)
    for interface, dim in (("latent", 4), ("action_residual", 28)):
        found = LatentSpec.of(model, change(task, "rl", steering=interface, lambda_=0.25))
        assert (found.dim, found.lambda_) == (dim, 0.25)
        assert found.c_mean.tolist() == [3.0] * model.policy.c_dim
        assert found.c_std.tolist() == [1.0] * model.policy.c_dim
    with pytest.raises(ConfigError, match=r"rl\.lambda is null"):
        LatentSpec.of(model, change(task, "rl", lambda_=None))


def test_the_actor_for_evaluation(task: TaskConfig, tmp_path: Path) -> None:
    one = learner(task, tmp_path / "log")
    for t in transitions(6):
        one.update(t)
    one.save(tmp_path / "checkpoints" / "learner.ckpt")
    assert load_actor(tmp_path, task) == (7, one.actor_bytes())
    assert load_actor(tmp_path / "checkpoints" / "learner.ckpt", task) == (7, one.actor_bytes())
    with pytest.raises(CheckpointError, match=r"lambda is 0\.5, the task at hand has 0\.9"):
        load_actor(tmp_path, change(task, "rl", lambda_=0.9))
    with pytest.raises(CheckpointError, match=r"action\.chunk"):
        load_actor(tmp_path, change(task, "action", chunk=8))


def test_an_actor_steers_the_base_policy_that_it_learned_with(task: TaskConfig, tmp_path: Path) -> None:
    """A bottleneck that was attached anew to the same flow has the same moments of c, and other latents."""
    made = new_model(task, 0)
    first = made.digest()
    assert new_model(task, 0).digest() == first
    with torch.no_grad():
        made.bottleneck.decoder[0].bias[0] += 1e-3
    second = made.digest()
    assert len({first, second, new_model(task, 1).digest()}) == 3
    one = Learner(task, dataclasses.replace(LATENT, base=first), 0, RecordLog(tmp_path / "log"))
    one.save(tmp_path / "checkpoints" / "learner.ckpt")
    assert load_actor(tmp_path, task, first) == load_actor(tmp_path, task)
    said = rf"learner\.ckpt: learned to steer base policy {first}, this is {second}; was the base policy's"
    with pytest.raises(CheckpointError, match=said):
        load_actor(tmp_path, task, second)
    with pytest.raises(CheckpointError, match=said):
        other = Learner(task, dataclasses.replace(LATENT, base=second), 0, RecordLog(tmp_path / "other"))
        other.load(tmp_path / "checkpoints" / "learner.ckpt")
