"""A lockstep training run of hours, with the panel, a page and the recorder: does anything grow?

    python -m tests.benchmarks.soak --minutes 60 --out runs/soak
    python -m tests.benchmarks.soak --minutes 4 --every 5 --out runs/soak     # a quick look
    python -m tests.benchmarks.soak --report --out runs/soak                  # the table and the plot again

A tiny task (36x48 images, 3 chunks an episode), so that an hour has many episodes; the judge labels.
OUT/samples.jsonl gets a line per process and sample. `tests.benchmarks.growth` says what is too much.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks import growth, processes
from tests.benchmarks.page import Page
from tests.panel.bench import free_port
from tests.ros import training

START_S, END_S = 120.0, 60.0
ENDLESS = "100000000"
KEPT_BAGS = 50


def main() -> None:
    """Run, then report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--every", type=float, default=60.0, help="s between two samples")
    parser.add_argument("--out", type=Path, required=True, help="new or empty, but for --report")
    parser.add_argument("--report", action="store_true", help="of a soak that is over")
    args = parser.parse_args()
    out = args.out.absolute()
    if not args.report:
        out.mkdir(parents=True, exist_ok=True)
        soak(out, args.minutes, args.every)
    growth.report(out)


def soak(out: Path, minutes: float, every_s: float) -> None:
    """Start the session, sample it, end it."""
    run, origin = out / "run", f"127.0.0.1:{free_port()}"
    session = _start(out, run, origin)
    page = Page(run / "panel" / "link", f"http://{origin}")
    try:
        _wait_for_episodes(session, out, run)
        page.start()
        _sample(session, out, run, minutes, every_s)
    finally:
        page.stop()
        session.send_signal(signal.SIGINT)
        session.wait(END_S)
    (out / "end.json").write_text(json.dumps({"page": page.seen, "exit": session.returncode}) + "\n")


def _start(out: Path, run: Path, panel: str) -> subprocess.Popen[bytes]:
    task = training.tiny_task(out)
    base = training.tiny_base(out, task)
    words = ["train", "--rig", "sim_xarm6", "--task", str(task), "--base", str(base), "--out", str(run)]
    words += ["--chunks", ENDLESS, "--eval-episodes", "0", "--seed", "5", "--record", "--panel", panel]
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a background job has it ignored, for its children
    with (out / "zprl.log").open("wb") as log:  # a pipe that nobody reads would fill
        command = [sys.executable, "-m", "zprl_core.cli", *words]
        return subprocess.Popen(command, stdout=log, stderr=log, env=training.environment())


def _wait_for_episodes(session: subprocess.Popen[bytes], out: Path, run: Path) -> None:
    deadline = time.monotonic() + START_S
    while len(training.lines(run / "episodes.jsonl")) < 2:
        assert session.poll() is None, (out / "zprl.log").read_text()[-2000:]
        assert time.monotonic() < deadline, f"no episode within {START_S:g} s"
        time.sleep(0.2)


def _sample(session: subprocess.Popen[bytes], out: Path, run: Path, minutes: float, every_s: float) -> None:
    start_s = time.monotonic()
    with (out / "samples.jsonl").open("a", encoding="utf-8") as file:
        while (at_s := time.monotonic() - start_s) <= 60.0 * minutes:
            assert session.poll() is None, (out / "zprl.log").read_text()[-2000:]
            made = processes.of_run(run).values()
            now = {"at_s": at_s, "episodes": len(training.lines(run / "episodes.jsonl"))}
            files = set().union(*(processes.shared_files(one.pid) for one in made))
            now |= {"shm_files": len(files), "shm_bytes": sum(map(processes.size, files))}
            for process in made:
                if (found := processes.sample(process)) is not None:
                    line = {**now, "name": process.name, "pid": process.pid, **found._asdict()}
                    file.write(json.dumps(line) + "\n")
            file.flush()
            _thin_out(run / "bags")
            time.sleep(max(0.0, start_s + at_s + every_s - time.monotonic()))


def _thin_out(bags: Path) -> None:
    """Keep the disk free: the newest bags and no more."""
    for old in sorted(bags.glob("episode_*"))[:-KEPT_BAGS]:
        shutil.rmtree(old)


if __name__ == "__main__":
    main()
