# SPDX-License-Identifier: Apache-2.0
"""Runs trials, several at a time: in processes of this machine, or as tasks of a Ray cluster."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from zprl_core.errors import ConfigError, DataError, ZprlError
from zprl_core.experiments.cells import FINETUNING, Trial
from zprl_core.experiments.points import Point, read_points
from zprl_core.run_folder import make_folder, write_json, write_text
from zprl_core.supervisor import end_with_parent
from zprl_core.versions import versions

TRIALS, ABOUT, LOCK, ERROR = "trials", "trial.json", ".lock", "error.txt"
LOOKS, LOOK_S = 10, 0.1
State = Literal["not begun", "begun", "running", "failed", "damaged", "done"]
Notice = Callable[[str], None]


@dataclass(frozen=True)
class Machine:
    """What a trial runs on.

    Attributes:
        simulators: processes that share its copies of the environment; 0: all are in its own.
        device: of all networks, as torch names it.
    """

    simulators: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class Standing:
    """How far a trial is. points: of its curve so far. error: the last line of what stopped it."""

    state: State
    points: tuple[Point, ...]
    error: str = ""


def folder_of(trial: Trial, root: Path) -> Path:
    """Where a trial is kept."""
    return root / TRIALS / trial.folder


def standing(trial: Trial, root: Path) -> Standing:
    """Look at a trial's folder."""
    folder = folder_of(trial, root)
    try:
        points = tuple(read_points(folder))
    except DataError as error:
        return Standing("damaged", (), str(error))
    if _is_done(trial, points):
        return Standing("done", points)
    if not folder.exists():
        return Standing("not begun", points)
    if _is_locked(folder):
        return Standing("running", points)
    if (folder / ERROR).exists():
        lines = (folder / ERROR).read_text().strip().splitlines()
        return Standing("failed", points, lines[-1] if lines else "for an unknown reason")
    return Standing("begun", points)


def prepare(trial: Trial, root: Path, machine: Machine) -> None:
    """Make a trial's base policy, where it is missing.

    Raises:
        ConfigError: a simulator, an expert or a setting is missing.
    """
    from zprl_core.experiments.bases import base_of

    _one_core()
    base_of(trial, root, machine.device)


def run_trial(trial: Trial, root: Path, machine: Machine, notice: Notice = print) -> None:
    """Run a trial to its end, from where it stands; nothing to do where it is done.

    Args:
        trial: which. root: of everything. machine: what it runs on.
        notice: told of every point.

    Raises:
        DataError: another process runs it, or its files are damaged.
        ConfigError: a simulator, an expert or a setting is missing.
    """
    from zprl_core.experiments.bases import base_of
    from zprl_core.experiments.environments.vector import VectorEnvironment
    from zprl_core.experiments.finetuning_trial import FinetuningTrial
    from zprl_core.experiments.steering_trial import SteeringTrial

    _one_core()
    folder = folder_of(trial, root)
    make_folder(folder)
    with _lock(folder):
        with contextlib.suppress(DataError):  # damaged points are written anew from the trial's state
            if _is_done(trial, read_points(folder)):
                return
        (folder / ERROR).unlink(missing_ok=True)
        write_json(folder / ABOUT, {**_about(trial), "device": machine.device})
        try:
            model = base_of(trial, root, machine.device, notice)
            with VectorEnvironment(trial.task, trial.environments, machine.simulators) as environments:
                kind = FinetuningTrial if trial.cell.method in FINETUNING else SteeringTrial
                run = kind(trial.task, trial.cell, model, environments, trial.seed, folder)
                for point in run.run():
                    notice(f"{trial.cell.name}, seed {trial.seed}: {told(point)}")
        except Exception:
            write_text(folder / ERROR, traceback.format_exc())
            raise


def _one_core() -> None:
    from zprl_core.arithmetic import fast_matmul, use_threads

    use_threads(1)
    fast_matmul()


def _is_done(trial: Trial, points: Sequence[Point]) -> bool:
    """Whether its points reach the end of the budget."""
    return bool(points) and points[-1].chunks >= trial.task.budget.chunks


def told(point: Point) -> str:
    """A point in one line."""
    found = point.evaluation
    return f"{point.steps} steps, success {found.success.told()}, {found.steps:.0f} steps an episode"


def run_trials(
    trials: Sequence[Trial], root: Path, processes: int, machine: Machine, notice: Notice = print
) -> list[str]:
    """Run trials in processes of this machine; returns what failed, one line a trial.

    Base policies come first: trials that share one would wait for it, each in a process.
    """
    with ThreadPoolExecutor(processes) as threads:
        try:
            for trial in {trial.base: trial for trial in trials}.values():
                threads.submit(_alone, prepare, trial, root, machine)  # its trials raise what it raises
            tasks = {threads.submit(_alone, run_trial, trial, root, machine): trial for trial in trials}
            return list(_failures(((tasks[each], each.result) for each in as_completed(tasks)), notice))
        finally:  # there is something left to end after a Ctrl-C only
            threads.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()


def _alone(work: Callable[..., None], *arguments: Any) -> None:
    """Do it in a process of its own, which may be killed without harm to any other's work.

    Raises:
        DataError: it ended without a result.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=end_with_parent) as own:
        try:
            own.submit(work, *arguments).result()
        except BrokenProcessPool as error:
            raise DataError(
                "its process ended abruptly (killed, out of memory, or a library crashed); run it again to "
                "continue from its last point"
            ) from error


def run_on_ray(
    trials: Sequence[Trial], root: Path, address: str, machine: Machine, notice: Notice = print
) -> list[str]:
    """Run each trial as a task of a Ray cluster that shares this folder; returns what failed.

    Base policies are tasks that the trials wait for, and hold no core meanwhile. On a GPU each task has one
    of its own.

    Raises:
        ConfigError: Ray is not installed.
    """
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise ConfigError('ray is not installed: pip install -e ".[cluster]"') from error
    ray.init(address=address)
    gpus = int(machine.device != "cpu")
    prepared = ray.remote(num_cpus=1, num_gpus=gpus)(prepare)
    remote = ray.remote(num_cpus=1 + machine.simulators, num_gpus=gpus)(_run_prepared)
    distinct = {trial.base: trial for trial in trials}
    bases = {base: prepared.remote(trial, root, machine) for base, trial in distinct.items()}
    tasks = {remote.remote(bases[trial.base], trial, root, machine): trial for trial in trials}

    def ended() -> Iterator[tuple[Trial, Callable[[], Any]]]:
        left = list(tasks)
        while left:
            done, left = ray.wait(left)
            for each in done:
                yield tasks[each], partial(ray.get, each)

    try:
        return list(_failures(ended(), notice))
    finally:
        ray.shutdown()


def _run_prepared(_base: None, trial: Trial, root: Path, machine: Machine) -> None:
    """Run a trial whose base policy is there: Ray starts a task when its arguments have come."""
    run_trial(trial, root, machine)


def _failures(ended: Iterator[tuple[Trial, Callable[[], Any]]], notice: Notice) -> Iterator[str]:
    """Collect results as they come; yields what failed."""
    for trial, result in ended:
        name = f"{trial.cell.name}, seed {trial.seed}"
        try:
            result()
        except ZprlError as error:
            yield f"{name}: {error}"
        except Exception as error:
            yield f"{name}: {type(error).__name__}: {error}"
        else:
            notice(f"{name}: done")


def _about(trial: Trial) -> dict[str, Any]:
    from zprl_core.config import loader

    cell = loader.to_data(trial.cell)
    about = {"seed": trial.seed, "environments": trial.environments, "base": trial.base}
    return {"cell": cell, **about, "task": trial.task.to_dict(), "versions": versions()}


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / LOCK).open("w") as file:
        for left in range(LOOKS, -1, -1):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:  # `status` holds it for an instant
                if not left:
                    raise DataError(f"{folder}: another process runs this trial; wait for it") from error
                time.sleep(LOOK_S)
        yield


def _is_locked(folder: Path) -> bool:
    path = folder / LOCK
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
