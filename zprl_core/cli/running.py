# SPDX-License-Identifier: Apache-2.0
"""Runs a prepared session: starts its graph, follows its episodes, writes curves and the summary."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from zprl_core import single_host
from zprl_core.cli.closing import closing
from zprl_core.cli.progress import bars
from zprl_core.curves import CurveWriter
from zprl_core.host import PAGES, check_host
from zprl_core.measurement import proportion
from zprl_core.plan import TRAIN, Block, position
from zprl_core.prepared import Prepared, note_versions
from zprl_core.records import EpisodeRecord, read_records, size_of
from zprl_core.run_folder import RunFolder
from zprl_core.summary import recent, trained_chunks, write_summary
from zprl_core.supervisor import Supervisor, interrupts_held, node_command

POLL_S = 0.2
SETTLE_S = 1.0
SETTLE_LEARNING_S = 15.0
"""Time between the plan's last episode and the end, s; after training, for the updates that it still owes."""
CLOCK = "clock"


def run_session(prepared: Prepared, *, verbose: bool) -> int:
    """Run until the plan is done, a process dies, or SIGINT or SIGTERM comes; then end all and write
    the summary.

    Raises:
        SessionError: a process died; names it, its exit code and its last lines.
        DataError: another process is running in this folder.
        KeyboardInterrupt: a signal came; says what goes on with the run.
    """
    folder = prepared.folder
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    with folder.lock(), _told_how_to_go_on(folder):
        if position(prepared.blocks, read_records(folder.episodes_file)) is None:
            print(f"{folder.path}: is finished, nothing is left to do", file=sys.stderr)
        else:
            note_versions(folder)
            with _accounts(prepared):
                _run_graph(prepared, verbose)
        summary = write_summary(folder, prepared.blocks, read_records(folder.episodes_file))
    print(closing(folder, summary))
    return 0


def _run_graph(prepared: Prepared, verbose: bool) -> None:
    folder = prepared.folder
    check_host(prepared.nodes)
    _warn_of_stop(prepared)
    _provide_pictures(prepared)
    with single_host.free_domain(os.environ) as domain:
        single_host.clean_shared_memory()
        profile = single_host.dds_profile(prepared.rig.dds_profile)
        environment = single_host.environment(profile, domain, folder.logs / "ros", os.environ)
        commands = [node_command(node, folder.path / "config") for node in prepared.nodes]
        settle_s = SETTLE_LEARNING_S if prepared.blocks[-1].learns else SETTLE_S
        for link in (folder.panel_link, folder.teleop_link):  # of an earlier start
            link.unlink(missing_ok=True)
        follower = _Follower(prepared.blocks, folder, show=not verbose)
        echo = sys.stderr if verbose else None
        supervisor = Supervisor(commands, folder.logs, environment, echo=echo)
        try:
            with folder.live(single_host.address(environment)), contextlib.ExitStack() as ends:
                with interrupts_held():
                    ends.enter_context(supervisor)
                _follow(supervisor, follower, settle_s)
                codes = supervisor.stop()
            _report_exits(codes, folder)
        finally:
            follower.close()


def _warn_of_stop(prepared: Prepared) -> None:
    from zprl_core.cli import stop_test

    shadow = any(node.parameters.get("shadow") for node in prepared.nodes)
    if not shadow and (problem := stop_test.warning(prepared.rig)):
        print(f"WARNING: the motors will be powered, and {problem}", file=sys.stderr, flush=True)


def _provide_pictures(prepared: Prepared) -> None:
    from zprl_sim.pictures import provide

    for made in provide(prepared.rig):
        print(f"{made}: did not exist; made pictures there, which show no robot", file=sys.stderr)


def _follow(supervisor: Supervisor, follower: _Follower, settle_s: float) -> None:
    """Return when the plan is done.

    Raises:
        SessionError: a process ended before.
    """
    done_since: float | None = None
    while True:
        ended, finished = supervisor.poll(), follower.look()
        if ended is not None and not (finished and ended.code == 0):
            raise ended.error()
        if finished:
            done_since = done_since or time.monotonic()
            if time.monotonic() - done_since > settle_s:
                return
        else:  # the last label was taken back
            done_since = None
        time.sleep(POLL_S)


def _report_exits(codes: Mapping[str, int], folder: RunFolder) -> None:
    for name, code in codes.items():
        if code != 0:
            print(
                f"warning: {name} ended with exit code {code}; see {folder.logs / name}.log", file=sys.stderr
            )


class _Follower:
    """Reads RUN/episodes.jsonl as it grows; feeds the bars and TensorBoard."""

    def __init__(self, blocks: Sequence[Block], folder: RunFolder, *, show: bool) -> None:
        self._blocks, self._folder = blocks, folder
        self._records = read_records(folder.episodes_file)
        self._size = -1
        self._bars = bars(blocks, self._records, blind=folder.spec.blind) if show else None
        self._curves = CurveWriter(folder.curves, ".session")
        self._unlinked = {name: getattr(folder, link) for name, _, link in PAGES.values()}

    def look(self) -> bool:
        """Take in what is new; whether the plan is done."""
        for page, path in list(self._unlinked.items()):
            if link := _read_link(path):
                del self._unlinked[page]
                tqdm.write(f"{page}: {link} opens it once; the next link: {path}", file=sys.stderr)
        file = self._folder.episodes_file
        size = size_of(file)
        if size != self._size:
            self._size = size
            records = read_records(file)
            self._draw(records)
            self._records = records
            if self._bars:
                self._bars.update(records)
        return position(self._blocks, self._records) is None

    def close(self) -> None:
        """End the bar and close the curves."""
        if self._bars:
            self._bars.close()
        self._curves.__exit__(None, None, None)

    def _draw(self, records: Sequence[EpisodeRecord]) -> None:
        known = {record.episode for record in self._records}
        for record in records:
            if record.episode in known or record.void:
                continue
            sofar = [r for r in records if r.episode <= record.episode]
            chunks = trained_chunks(sofar)
            if record.block == TRAIN:
                values = {"train/success_last50": recent(sofar).rate, "train/steps": record.steps}
            else:
                name = "final" if record.block.startswith("eval_") else record.block
                where = f"case_{record.case}" if record.case else "evaluation"
                values = {f"{where}/{name}": proportion(sofar, record.block, record.case).rate}
            self._curves.scalars(chunks, values)
        self._curves.flush()


def _read_link(path: Path) -> str:
    """The way into a page, once its node has left one."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


@contextlib.contextmanager
def _told_how_to_go_on(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"go on with it by {folder.resumed_by}") from None


@contextlib.contextmanager
def _accounts(prepared: Prepared) -> Iterator[None]:
    """Afterwards add the time that this part of the run takes to RUN/stats, and sum the run up.

    Where there is no room for that, why the run ended matters more: both are written again when it goes on.
    """
    folder = prepared.folder
    before = float(folder.read_stats().get(CLOCK, {}).get("wall_s", 0.0))
    start = time.monotonic()
    try:
        yield
    finally:
        try:
            folder.write_stats(CLOCK, {"wall_s": before + time.monotonic() - start})
            write_summary(folder, prepared.blocks, read_records(folder.episodes_file))
        except OSError as error:
            print(f"warning: {folder.summary_file} is not up to date: {error}", file=sys.stderr)
