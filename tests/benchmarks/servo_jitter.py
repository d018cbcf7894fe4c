"""How evenly setpoints reach an xArm's control box: the driver's loop beside the vendor's SDK alone.

    python -m tests.benchmarks.servo_jitter --seconds 20

Both stream to one simulated box, in turns and from one process, at 100 Hz as poses and at 250 Hz as joint
angles (`zprl bench` has the first pair). The box says when each setpoint came: "off by" is how far a period
between two is from the nominal one. "call" is what the loop waits for one setpoint, "left out" counts its
periods without one. CPU is that of this process, threads of the SDK included. The last rows move a gripper
with every setpoint: over the arm's connection, as the SDK alone would, and as the driver does.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from tests.hardware.boxes import arm_config, box, gripper_config
from zprl_arms.servo_jitter import Loop, Turn, measure

GRIPPER = "robotiq_2f85"
LOOPS = tuple(
    Loop(who, streaming, rate_hz, gripper_config(GRIPPER) if gripper else None)
    for streaming, rate_hz, gripper in (
        ("cartesian", 100.0, False),
        ("joint", 250.0, False),
        ("cartesian", 100.0, True),
    )
    for who in (False, True)
)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of every loop, in all")
    parser.add_argument("--turns", type=int, default=4, help="over which they are spread")
    args = parser.parse_args()
    turns: dict[Loop, list[Turn]] = {loop: [] for loop in LOOPS}
    with box("--gripper", GRIPPER) as client:
        for _ in range(args.turns):
            for loop in LOOPS:
                turns[loop].append(
                    measure(client, arm_config(client.address), loop, args.seconds / args.turns)
                )
    print(f"{'':44}{'period off by, ms':>21}  {'call, ms':>21}{'left':>7}{'CPU':>7}")
    print(f"{'':44}{'p50    p99    max':>21}  {'p50    p99    max':>21}{'out':>7}{'%':>7}")
    for loop, found in turns.items():
        off_by, call = (_columns(np.concatenate(values)) for values in list(zip(*found, strict=True))[:2])
        left_out, cpu = sum(turn.left_out for turn in found), sum(turn.cpu_s for turn in found)
        print(f"{loop.title:44}{off_by}  {call}{left_out:7}{100.0 * cpu / args.seconds:7.1f}")


def _columns(values: NDArray[np.float64]) -> str:
    p50, p99 = np.percentile(values, (50, 99))
    return f"{p50:7.2f}{p99:7.2f}{values.max():7.2f}"


if __name__ == "__main__":
    main()
