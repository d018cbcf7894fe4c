"""What measuring smoothness costs an arm's bridge.

    python -m tests.benchmarks.motion_cost

What one sample costs, in the servo loop. How late a loop of 1000 Hz is while a thread of the same process
measures an episode, beside one without, in turns, so that a busy machine is as busy for both. And how much of
lockstep goes into samples, beside the twin's physics alone; pictures, policy and learner come to that in a
session.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable

import numpy as np

from tests.arms.test_lockstep import World
from zprl_arms.motion import MotionKeeper
from zprl_core.config import SmoothnessConfig
from zprl_core.smoothness.episode import EpisodeTracks, measured_motion
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose, quaternion_from_rotvec

STATE_HZ, PERIOD_S, TURNS = 60.0, 1e-3, 30


def kept(seconds: float) -> tuple[MotionKeeper, float]:
    """A keeper in the middle of an episode, and what one sample took, s."""
    world = World()
    assert world.controller.command(world.chunk(0), world.start_ns)
    keeper = MotionKeeper("arm")
    keeper.on_session("running", 0, "", world.start_ns)
    keeper.chunk(world.controller.taken)
    begin_ns, count = world.controller.taken.stamp_ns, int(seconds * STATE_HZ)
    t = np.arange(count) / STATE_HZ
    where = np.stack([0.1 * np.sin(3 * t), 0.1 * np.cos(2 * t), 0 * t], axis=1)
    turned = quaternion_from_rotvec(np.stack([0.3 * np.sin(t), 0 * t, 0.2 * t], axis=1))
    setpoints = [Setpoint(p, q) for p, q in zip(where, turned, strict=True)]
    poses = [Pose(p, q) for p, q in zip(where, turned, strict=True)]
    stamps = [begin_ns + round(1e9 * at) for at in t]
    begun = time.perf_counter()
    for stamp, setpoint, pose in zip(stamps, setpoints, poses, strict=True):
        keeper.sample(stamp, setpoint, stamp, pose, by_hand=False)
    return keeper, (time.perf_counter() - begun) / count


def late() -> float:
    """How late the latest of 30 turns of a loop of 1000 Hz began, ms."""
    latest, start = 0.0, time.perf_counter()
    for n in range(TURNS):
        due = start + n * PERIOD_S
        time.sleep(max(0.0, due - time.perf_counter()))
        latest = max(latest, time.perf_counter() - due)
    return 1e3 * latest


def late_beside(tracks: EpisodeTracks) -> float:
    """The same while a thread measures an episode."""
    thread = threading.Thread(target=measured_motion, args=(tracks, SmoothnessConfig()))
    thread.start()
    found = late()
    thread.join()
    return found


def lockstep(chunks: int) -> tuple[float, float]:
    """Seconds that so many chunks take, and those of them in which samples were taken."""
    world, keeper, spent = World(), MotionKeeper("arm"), 0.0
    keeper.on_session("running", 0, "", world.start_ns)

    def on_moved(n: int, stamp_ns: int) -> None:
        nonlocal spent
        begun = time.perf_counter()
        if keeper.wanted and n % 2 == 0:
            keeper.sample(stamp_ns, world.controller.last, stamp_ns, world.arm.tool(), by_hand=False)
        spent += time.perf_counter() - begun

    world.ears.on_moved = on_moved  # type: ignore[method-assign]
    begun = time.perf_counter()
    for index in range(chunks):
        assert world.controller.command(world.chunk(index), world.lockstep.now_ns)
        keeper.chunk(world.controller.taken)
        world.lockstep.execute()
    return time.perf_counter() - begun, spent


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--turns", type=int, default=5, help="of each loop")
    parser.add_argument("--episode", type=float, default=20.0, help="length of the measured episode, s")
    args = parser.parse_args()
    keeper, sample_s = kept(args.episode)
    tracks = keeper.on_session("labelled", 0, "success", 2**62)
    assert tracks is not None
    measure_s = min(_timed(lambda: measured_motion(tracks, SmoothnessConfig())) for _ in range(args.turns))
    print(f"one sample {1e6 * sample_s:.1f} us, {STATE_HZ:g} of them a second")
    print(f"an episode of {args.episode:g} s is measured in {1e3 * measure_s:.1f} ms of a thread\n")
    pairs = [(late(), late_beside(tracks)) for _ in range(30 * args.turns)]
    print(f"{'latest of 30 turns at 1000 Hz, ms':38}{'p10':>8}{'p50':>8}{'p90':>8}")
    for title, values in zip(
        ("alone", "while an episode is measured"), zip(*pairs, strict=True), strict=True
    ):
        print(f"{title:38}" + "".join(f"{value:8.2f}" for value in np.percentile(values, (10, 50, 90))))
    lockstep(2)
    pairs = [lockstep(8) for _ in range(args.turns)]
    took, spent = (1e3 * float(np.median(column)) / 8 for column in zip(*pairs, strict=True))
    shares = sorted(part / whole for whole, part in pairs)
    print(f"\nlockstep, physics of a chunk: {took:.1f} ms, {spent:.2f} ms of it for samples; in each turn:")
    print(", ".join(f"{share:.1%}" for share in shares))


def _timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
