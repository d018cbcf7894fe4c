# SPDX-License-Identifier: Apache-2.0
"""From what a user asked for to a replay: checks, the graph of each policy, and the results.

`zprl replay` and launch/replay.launch.py both come through here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from zprl_core.arithmetic import use_threads
from zprl_core.config import RigConfig, load_rig
from zprl_core.data.problems import BadBagError, listed, refuse
from zprl_core.errors import CheckpointError, ConfigError, DataError
from zprl_core.graph import NodeSpec, common_parameters, replay_graph
from zprl_core.provenance import Provenance, compare
from zprl_core.record_log import RecordLog
from zprl_core.replay import results
from zprl_core.replay.checking import require_task
from zprl_core.replay.episodes import ReplayEpisode, replay_episodes
from zprl_core.replay.modes import AUTO, replayed_mode
from zprl_core.replay.planning import replay_agent
from zprl_core.replay.plans import PLANS, read_plans
from zprl_core.replay.policies import ReplayPolicy, distinct, find_policy
from zprl_core.run_folder import RunFolder, make_folder, new_run_id, refuse_used, write_text
from zprl_core.runtime import PolicyRuntime

if TYPE_CHECKING:
    from zprl_bringup.replayable import Replayable


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asked for.

    Attributes:
        bags: to be replayed. policies: base checkpoints and run folders. out: folder of the result.
        checkpoint: of a run: its state after so many training chunks; None: its last one.
        rig: of bags that do not say; empty: they must.
        seed: of the draws; None: the recorded run's.
        mode: path of the policy, of `modes.MODES`.
        rate: times the recorded pace; None: as fast as possible. start_s: begin so long into each bag, s.
        loop: begin again after the last bag. skip_bad: leave out bags that cannot be replayed.
    """

    bags: tuple[Path, ...]
    policies: tuple[Path, ...]
    out: Path
    checkpoint: int | None = None
    rig: str = ""
    seed: int | None = None
    mode: str = AUTO
    rate: float | None = None
    start_s: float = 0.0
    loop: bool = False
    skip_bad: bool = False


@dataclass(eq=False)
class Replay:
    """A replay that can be played.

    Attributes:
        request: what was asked for. policies: found. bags: read once. seed: of the draws.
    """

    request: Request
    policies: list[ReplayPolicy]
    bags: Bags
    seed: int
    _runtimes: dict[str, PolicyRuntime] = field(default_factory=dict)

    @classmethod
    def prepare(cls, request: Request) -> Replay:
        """Check everything, then make the folder.

        Raises:
            ZprlError: anything that does not exist or does not fit; nothing was written then.
        """
        refuse_used(request.out, "remove it")
        policies = distinct([find_policy(path, request.checkpoint) for path in request.policies])
        for policy in policies:
            replayed_mode(request.mode, "", steers=policy.steers)
        rig = load_rig(request.rig) if request.rig else None
        bags = Bags(list(request.bags), policies, rig, skip_bad=request.skip_bad)
        bags.look()
        for policy in policies:
            make_folder(request.out / policy.name)
        return cls(request, policies, bags, bags.seed if request.seed is None else request.seed)

    def folder(self, policy: ReplayPolicy) -> Path:
        """Of one policy's plans and logs."""
        return self.request.out / policy.name

    def nodes(self, policy: ReplayPolicy) -> tuple[NodeSpec, ...]:
        """The processes that replay one policy; writes what they are told."""
        folder, request = RunFolder(self.folder(policy).absolute()), self.request
        for name in ("config", "logs", "stats", "tb"):
            make_folder(self.folder(policy) / name)
        write_text(folder.task_file, yaml.safe_dump(policy.task.to_dict(), sort_keys=False))
        rig = self.bags.rig
        here = replace(rig, compute=replace(rig.compute, processes=()))  # those are of the rig's computer
        write_text(folder.rig_file, yaml.safe_dump(here.to_dict(), sort_keys=False))
        return replay_graph(
            common_parameters(folder, run_id=new_run_id(), seed=self.seed, lockstep=self.bags.lockstep),
            [str(bag) for bag in self.bags.paths],
            base=str(policy.base),
            actor=str(policy.actor or ""),
            mode=request.mode,
            rate=request.rate,
            start_s=request.start_s,
            loop=request.loop,
        )

    def _runtime(self, policy: ReplayPolicy) -> PolicyRuntime:
        """Of a policy, loaded once; the results say what computes it."""
        if policy.name not in self._runtimes:

            def told(line: str) -> None:
                self.bags.note(f"{policy.name}: {line}")

            self._runtimes[policy.name] = policy.runtime(self.bags.rig.compute, told)
        return self._runtimes[policy.name]

    def plan_here(self, policy: ReplayPolicy) -> None:
        """Plan everything in this process, without a graph."""
        use_threads(self.bags.rig.compute.threads)  # as the policy node does: the last bits depend on it
        log = RecordLog(self.folder(policy) / PLANS)
        agent = replay_agent(self._runtime(policy), self.seed)
        for bag, episodes in self.bags.read():
            results.plan_in_process(agent, policy, bag, episodes, self.request.mode, log)
        log.close()

    def conclude(self) -> None:
        """Analyse what was planned, write the results, and print the report."""
        use_threads(self.bags.rig.compute.threads)
        loaded = [
            results.Loaded.of(policy, self._runtime(policy), read_plans(self.folder(policy) / PLANS))
            for policy in self.policies
            if (self.folder(policy) / PLANS).exists()
        ]
        for bag, episodes in self.bags.read():
            for each in loaded:
                results.analyse(each, bag, episodes)
        for each in loaded:
            if each.planned and not each.rows:
                raise DataError(
                    f"{self.folder(each.policy) / PLANS}: none of its {len(each.planned)} plans is of "
                    "a chunk of these bags; this is a bug, please report it"
                )
            for note in each.check.notes():
                self.bags.note(f"{each.policy.name}: {note}")
        facts = {
            "bags": [str(path) for path in self.bags.paths],
            "mode": self.request.mode,
            "seed": self.seed,
        }
        print(results.write_results(self.request.out, loaded, self.bags.notes, facts))
        print(f"replay: {self.request.out / 'replay.md'}")


@dataclass(eq=False)
class Bags:
    """The bags that were named, read one after another as often as they are needed.

    Attributes:
        paths: those that can be replayed. policies: whose task they have to be of, and whose cell.
        given_rig: of bags that do not say; None: they must.
        skip_bad: leave out those that cannot be replayed.
        notes: what a reader has to know, each once.
        seed: of their run; 0 where that is not one.
        lockstep: whether they were recorded in simulated time.
    """

    paths: list[Path]
    policies: Sequence[ReplayPolicy]
    given_rig: RigConfig | None
    skip_bad: bool
    notes: list[str] = field(default_factory=list)
    seed: int = 0
    lockstep: bool = False
    say: Callable[[str], None] = lambda text: print(f"note: {text}", file=sys.stderr)

    def __post_init__(self) -> None:
        """What a player in another process logs names bags by their whole paths."""
        self.paths = [path.absolute() for path in self.paths]

    def note(self, text: str) -> None:
        """Keep a note."""
        if text not in self.notes:
            self.notes.append(text)
            self.say(text)

    def look(self) -> None:
        """Read all once: whether they can be replayed, and which run they are of.

        Raises:
            DataError: one cannot be; or there is no chunk to be planned in any of them.
        """
        good, bad = list[Path](), list[tuple[Path, BadBagError]]()
        seeds, kinds, chunks = set[int | None](), set[bool](), 0
        cell: Provenance | None = None
        for path in self.paths:
            try:
                bag, episodes = self._read(path)
                cell = self._same_cell(bag, cell)
            except BadBagError as error:
                bad.append((path, error))
                continue
            if not good:
                self.rig = bag.recording.rig
            good.append(path)
            kinds.add(bag.lockstep)
            chunks += sum(len(each.moments) for each in episodes)
            seeds |= {each.seed for each in episodes}
            for note in (*bag.notes, *(left for each in episodes for left in each.left_out)):
                self.note(f"{path}: {note}")
        if bad and not self.skip_bad:
            count = f"{len(bad)} of {len(self.paths)} bags cannot be replayed"
            raise DataError(f"{count}:\n{listed(bad)}\n--skip-bad leaves them out")
        for path, why in bad:
            self.note(f"{path}: left out: {why}")
        if not chunks:
            raise DataError(f"{len(good)} bags can be read, and no chunk is to be planned in any")
        if len(kinds) > 1:
            raise DataError("some bags are of lockstep and some of real time; replay each kind by itself")
        (self.lockstep,), self.paths = kinds, good
        if len(seeds) == 1 and None not in seeds:
            self.seed = next(iter(seeds)) or 0
        else:
            self.note("the bags are of several runs or do not say their seed: draws are those of seed 0")

    def read(self) -> Iterator[tuple[Replayable, list[ReplayEpisode]]]:
        """All of them, one at a time."""
        return (self._read(path) for path in self.paths)

    def _read(self, path: Path) -> tuple[Replayable, list[ReplayEpisode]]:
        from zprl_bringup.replayable import read_replayable

        policy = self.policies[0]
        bag = read_replayable(path, policy.task, self.given_rig)
        require_task(bag.recording, policy)
        try:
            episodes = replay_episodes(bag.recording, policy.task, bag.account, lockstep=bag.lockstep)
        except BadBagError:
            raise
        except (DataError, ConfigError) as error:  # a number that is not finite, a delay beyond the task's
            raise refuse("numbers", str(error)) from error
        return bag, episodes

    def _same_cell(self, bag: Replayable, first: Provenance | None) -> Provenance:
        """The cell of a bag, which has to be the first one's, and near enough to the policies'.

        Raises:
            BadBagError: it is another, or a delay changed too much since a policy was trained.
        """
        task = self.policies[0].task
        found = Provenance.of(bag.recording.rig, task, lockstep=bag.lockstep)
        if first is not None and found != first:
            raise refuse("rig", f"{found}; the first bag has {first}. Replay each by itself")
        for policy in self.policies:
            try:
                note = compare(policy.name, policy.provenance(), found, task.tick_s)
            except CheckpointError as error:
                raise refuse("rig", str(error)) from error
            if note:
                self.note(note)
        return found
