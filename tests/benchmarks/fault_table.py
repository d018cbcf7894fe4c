"""Everything that tests/hardware/faults.py can do to an arm in motion, once each, as a Markdown table.

    python -m tests.benchmarks.fault_table

With the watchdog time of the rig file, which wants a machine that does nothing else.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.hardware import faults
from zprl_core.config import load_rig

SHOWN = 110
WATCHDOG_S = load_rig("xarm6_place_orange").arms[0].watchdog_s


def main() -> None:
    """Run and print."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        with faults.stage(Path(folder) / "g", WATCHDOG_S) as stage:
            rows += [faults.run(stage, fault) for fault in faults.FAULTS]
        for number, fault in enumerate(faults.LAST):
            with faults.stage(Path(folder) / f"last{number}", WATCHDOG_S) as stage:
                rows.append(faults.run(stage, fault))
    print("| fault | still after, s | peak, m/s | way, mm | in workspace | what the operator is told |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        numbers = f"{row.stop_s:.2f} | {row.peak_m_s:.2f} | {row.travel_m * 1e3:.0f}"
        print(f"| {row.fault} | {numbers} | {'yes' if row.inside else 'NO'} | {row.told[:SHOWN]} |")


if __name__ == "__main__":
    main()
