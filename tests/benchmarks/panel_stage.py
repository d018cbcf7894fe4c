"""A real graph with its panel, and the operators in front of it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml
from playwright.sync_api import Browser

from tests.benchmarks.panel_operator import LABEL_KEYS, Entry, Operator
from tests.panel.bench import free_port
from tests.ros import training
from zprl_core.run_folder import RunFolder

CHUNKS = 8
"""In an episode that nobody ends."""
SHOWN_S = 0.2
"""A page hears of a new state within 0.1 s, after the answer to the command that led there."""
OPEN = ("Running", "Judge", "Paused")
NEXT = {"Idle": "start", "Labelled": "start", "Stopped": "clear", "Fault": "clear", "Paused": "resume"}


@contextlib.contextmanager
def training_run(
    folder: Path, chunks: int = CHUNKS, camera: Mapping[str, int] | None = None
) -> Iterator[Path]:
    """`zprl train --operator --record` in lockstep on a tiny task; ends as Ctrl-C ends it.

    Args:
        folder: empty.
        chunks: in an episode that nobody ends.
        camera: sizes of another picture than the tiny one.

    Yields:
        The run's folder.
    """
    task, tiny = folder / "tiny.yaml", {**training.TINY, "horizon_steps": 16 * chunks}
    if camera is not None:
        tiny["observation"] = {"cameras": [{"name": "third_view", **camera}]}
    task.write_text(yaml.safe_dump(tiny))
    base, run = training.tiny_base(folder, task), folder / "run"
    words = ["--rig", "sim_xarm6", "--task", str(task), "--base", str(base), "--out", str(run)]
    more = ["--operator", "--record", "--chunks", "100000", "--eval-episodes", "0"]
    process = training.start("train", *words, *more, "--panel", f"127.0.0.1:{free_port()}")
    try:
        yield run
    finally:
        process.send_signal(signal.SIGINT)
        try:
            print(process.communicate(timeout=60)[0][-1500:])
        except subprocess.TimeoutExpired:
            process.kill()


class Stage:
    """Two operators at one panel, and what they can do to it.

    Args:
        browser: theirs.
        run: the run's folder.
        rng: of every choice.

    Attributes:
        people: the operators; one of them has control.
        entries: what their pages kept so far.
    """

    def __init__(self, browser: Browser, run: Path, rng: random.Random) -> None:
        self.browser, self.run, self.rng = browser, run, rng
        self.entries: list[Entry] = []
        self._seen: set[tuple[object, ...]] = set()
        self._new: list[Entry] = []
        self._viewer: Operator | None = None
        anna = Operator(browser, self.link())
        anna.until(lambda: anna.word == "Idle", "the session waits", 90.0)
        anna.until(lambda: "learner_nodeactive" in anna.text("system"), "every node is up", 60.0)
        anna.take_seat()
        self.people = [anna, Operator(browser, self.link())]

    def link(self) -> str:
        """The next link that lets an operator in."""
        file, deadline = RunFolder(self.run).panel_link, time.monotonic() + 90.0
        while not file.exists():
            assert time.monotonic() < deadline, "no panel within 90 s"
            time.sleep(0.1)
        return file.read_text().strip()

    @property
    def holder(self) -> Operator:
        """Who has control; somebody takes it where nobody has."""
        for person in self.people:
            if person.has_seat:
                return person
        self.people[0].take_seat()
        return self.people[0]

    @property
    def other(self) -> Operator:
        """Who does not have control."""
        holder = self.holder
        return next(person for person in self.people if person is not holder)

    def drain(self) -> list[Entry]:
        """What the pages kept since the last call."""
        for person in (*self.people, *([self._viewer] if self._viewer else [])):
            self.keep(person.watched())
        new, self._new = self._new, []
        self.entries += new
        return new

    def keep(self, entries: Iterable[Entry]) -> None:
        """Put down what a page kept; a copied tab brings its original's along."""
        for entry in entries:
            key = tuple(sorted((name, str(value)) for name, value in entry.items()))
            if key not in self._seen:
                self._seen.add(key)
                self._new.append(entry)

    def viewer(self) -> Operator:
        """Somebody who was invited to watch."""
        if self._viewer is None:
            page = self.holder.page
            page.click("#invite")
            page.click("dialog button:has-text('A viewer')")
            page.wait_for_selector("#ask-link:visible")
            self._viewer = Operator(self.browser, page.input_value("#ask-link"))
            page.click("dialog button:has-text('Close')")
        return self._viewer

    def settle(self) -> None:
        """Until every page has its line, no command waits, and what came of it is shown."""
        for person in self.people:
            person.until(lambda person=person: person.idle, "every command is answered", 40.0)
        time.sleep(SHOWN_S)

    def label(self) -> str:
        """One of the two, by chance."""
        return self.rng.choice(list(LABEL_KEYS))

    def reach_open(self) -> Operator:
        """An episode that has begun and has no outcome; gives who has control."""
        desk, deadline = self.holder, time.monotonic() + 60.0
        while desk.word not in OPEN:
            assert time.monotonic() < deadline, (desk.word, desk.text("answer"), desk.text("banners"))
            if (command := NEXT.get(desk.word)) and desk.can(command) and desk.idle:
                self._go_on(desk, command)
            time.sleep(0.02)
        return desk

    def reach_labelled(self) -> Operator:
        """An episode with a success or a failure that can be undone; gives who has control."""
        desk, deadline = self.holder, time.monotonic() + 60.0
        while not (desk.word == "Labelled" and desk.can("undo")):
            assert time.monotonic() < deadline, (desk.word, desk.text("answer"), desk.text("banners"))
            self.reach_open()
            desk.page.keyboard.press(LABEL_KEYS[self.label()])
            self.settle()
            time.sleep(0.1)
        return desk

    def next_episode(self) -> None:
        """Start another one."""
        before = self.holder.episode
        self._go_on(self.holder, "start")
        self.holder.until(lambda: self.holder.episode > before, "the next episode")

    def _go_on(self, desk: Operator, command: str) -> None:
        before = desk.word, desk.episode
        desk.page.click(f"[data-command={command}]")
        deadline = time.monotonic() + 5.0
        while (desk.word, desk.episode) == before and time.monotonic() < deadline:
            time.sleep(0.02)

    def kill_panel(self) -> None:
        """SIGKILL the panel's process; the supervisor starts it again."""
        os.kill(training.node_pid(self.run, "zprl_panel.panel_node"), signal.SIGKILL)
