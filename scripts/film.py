"""Films a finished training run: the base policy and the trained one, side by side on the same layouts.

Every chunk is planned again as the run planned it (same layout, noise, weights), in this process, and drawn
from the side at the task's rate. It shows layouts on which the base failed and the last checkpoint succeeded,
and says which ones they are and how many there were of each kind.

    python -m scripts.film --run runs/demo/seed0/zprl --out film.mp4 --still docs/images/before_after.png
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from scripts.inprocess import InProcess
from zprl_arms.drivers.sim import SimArm
from zprl_core.agent import EpisodeAgent
from zprl_core.arithmetic import use_threads
from zprl_core.base import load_base
from zprl_core.config import load_rig, load_task
from zprl_core.errors import DataError, ZprlError
from zprl_core.records import EpisodeRecord, read_records
from zprl_core.rl.learner import load_actor
from zprl_core.run_folder import RunFolder
from zprl_core.runtime import PolicyRuntime
from zprl_sim.dimensions import SERVO_HZ, TICK_HZ
from zprl_sim.render import Renderer

Frame = NDArray[np.uint8]
SIZE = (360, 480)
FRAME_SERVOS = SERVO_HZ // TICK_HZ
REST_FRAMES = 15


class FilmedArm(SimArm):
    """The simulated arm, which keeps the state of every tick."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[NDArray[np.float64]] = []
        self._servos = 0

    def advance(self) -> None:
        """One servo period."""
        super().advance()
        self._servos += 1
        if self._servos % FRAME_SERVOS == 0:
            self.states.append(self.world().qpos)


class Studio:
    """Plays episodes of a run again and draws them."""

    def __init__(self, run: RunFolder) -> None:
        use_threads(1)  # as in the nodes: sums in another order differ in their last bits
        task, rig = load_task(str(run.task_file)), load_rig(str(run.rig_file))
        model, _, _ = load_base(Path(run.spec.base), task)
        base = model.digest()
        assert task.rl.lambda_ is not None  # a run's own task file has a number
        self._runtime = PolicyRuntime(model, task, task.rl.lambda_)
        self._runtime.set_actor(*load_actor(run.learner_checkpoint, task, base))
        agent = EpisodeAgent(
            self._runtime, run.spec.seed, lockstep=True, max_chunks=task.chunks_per_episode, learner=False
        )
        self._arm = FilmedArm()
        self._loop = InProcess(rig, task, agent, arm=self._arm)
        self._draw = Renderer(*SIZE)

    def play(self, record: EpisodeRecord, words: str) -> list[Frame]:
        """Frames of an episode, BGR, with the words and, at its end, the outcome on them.

        Raises:
            DataError: it ends otherwise than in the run.
        """
        self._arm.states.clear()
        result = self._loop.run(record.episode, record.mode, record.layout_seed)
        if result.outcome != record.outcome:
            raise DataError(
                f"episode {record.episode}: ended with {record.outcome} in the run and with {result.outcome} "
                "now; film a run on the machine that made it"
            )
        frames = [self._frame(qpos, words) for qpos in self._arm.states]
        ending = self._frame(self._arm.states[-1], f"{words}: {result.outcome}")
        return [*frames, *[ending] * REST_FRAMES]

    def _frame(self, qpos: NDArray[np.float64], words: str) -> Frame:
        frame = np.ascontiguousarray(self._draw(qpos, "side")[:, :, ::-1])
        cv2.putText(frame, words, (12, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (30, 30, 30), 2, cv2.LINE_AA)
        return frame


def pairs(records: list[EpisodeRecord]) -> list[tuple[EpisodeRecord, EpisodeRecord]]:
    """(through z without steering, with the last checkpoint) for every layout that has both."""
    base = {r.layout_seed: r for r in records if r.block == "base_z" and not r.void}
    final = [r for r in records if r.block == "final" and not r.void]
    return [(base[r.layout_seed], r) for r in final if r.layout_seed in base]


def side_by_side(left: list[Frame], right: list[Frame]) -> list[Frame]:
    """Both films at once; the shorter one stands still at its end."""
    length = max(len(left), len(right))
    return [np.hstack([film[min(i, len(film) - 1)] for film in (left, right)]) for i in range(length)]


def strip(left: list[Frame], right: list[Frame], moments: int = 4) -> Frame:
    """Moments of two films, evenly spaced over the longer one: the left film above, the right one below."""
    both = side_by_side(left, right)
    chosen = [both[round(i * (len(both) - 1) / moments)] for i in range(1, moments + 1)]
    width = SIZE[1]
    return np.vstack(
        [np.hstack([frame[:, part] for frame in chosen]) for part in (slice(width), slice(width, None))]
    )


def write(path: Path, frames: list[Frame]) -> None:
    """An MP4 file at the task's rate.

    Raises:
        DataError: OpenCV cannot write it.
    """
    height, width = frames[0].shape[:2]
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), codec, float(TICK_HZ), (width, height))
    if not writer.isOpened():
        raise DataError(f"{path}: OpenCV cannot write this film; choose a path that ends in .mp4")
    for frame in frames:
        writer.write(frame)
    writer.release()


def main() -> int:
    """Film; the exit code is 2 where there is nothing to show, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished training run")
    parser.add_argument("--out", type=Path, required=True, help="film to write, .mp4")
    parser.add_argument("--still", type=Path, help="also write moments of the first layout, .png")
    parser.add_argument("--layouts", type=int, default=3, help="how many")
    args = parser.parse_args()
    try:
        film(args.run, args.out, args.still, args.layouts)
    except ZprlError as error:
        print(f"film: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("film: interrupted", file=sys.stderr)
        return 130
    return 0


def film(folder: Path, out: Path, still: Path | None, layouts: int) -> None:
    """Film the first cured layouts of a run.

    Raises:
        DataError: there is none; or an episode ends otherwise than it did in the run.
    """
    run = RunFolder(folder)
    both = pairs(list(read_records(run.episodes_file)))
    kinds = Counter((base.success, final.success) for base, final in both)
    print(
        f"{len(both)} layouts: cured {kinds[False, True]}, both succeed {kinds[True, True]}, "
        f"both fail {kinds[False, False]}, spoiled {kinds[True, False]}"
    )
    cured = [(base, final) for base, final in both if final.success and not base.success][:layouts]
    if not cured:
        raise DataError(f"{folder}: no layout on which the base failed and the last checkpoint succeeded")
    studio = Studio(run)
    frames: list[Frame] = []
    for base, final in cured:
        print(f"layout {final.layout_seed}: episode {base.episode} against {final.episode}", flush=True)
        left, right = studio.play(base, "base policy"), studio.play(final, "after ZPRL")
        if still and not frames:
            cv2.imwrite(str(still), cv2.resize(strip(left, right), None, fx=0.5, fy=0.5))
        frames += side_by_side(left, right)
    write(out, frames)
    print(out)


if __name__ == "__main__":
    sys.exit(main())
