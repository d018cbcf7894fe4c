"""The session as a pure state machine: time comes in as an argument, effects come out as a list."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import cast

from zprl_core.errors import DataError
from zprl_core.plan import Position, may_become_void, position
from zprl_core.records import OUTCOMES, EpisodeRecord, Outcome
from zprl_core.session.episode import Episode
from zprl_core.session.layouts import next_layout_seed
from zprl_core.session.ledger import Entry, EntryEvent, Ledger
from zprl_core.session.messages import (
    Answer,
    CorrectLabel,
    Effect,
    FinishRun,
    RecordEpisode,
    ResetWorld,
    SessionConfig,
    SessionView,
)
from zprl_core.session.states import TRANSITIONS, Event, State, possible_in
from zprl_core.stops import stopped_by

_REMEMBERED = 4096  # command ids; an older one names an episode that is long over
_OK = Answer(True)
_WAITS = -1.0
_COMMANDS = (Event.START, Event.BEGIN, Event.PAUSE, Event.RESUME, Event.STOP, Event.UNDO, Event.CLEAR)
_ENTERED: dict[Event, EntryEvent] = {Event.HORIZON: "horizon", Event.ABORT: "abort"}


class Session:
    """Walks the plan, episode by episode; the only place that knows what state the system is in.

    Whatever happens to it is answered with an `Answer`; nothing raises. After each call the caller carries
    out `take_effects` and publishes `view` if its sequence has grown. The rules of labels:

    - success (r = 1) and failure (r = 0) end the episode in the chunk that is executing; horizon (r = 0) ends
      it after the last chunk; stop, fault and abort make it void;
    - only the ending waits for a label; other chunks are cleared as they go;
    - a command id counts once, and asked again gets the same answer;
    - a label for another episode, or for a chunk that is cleared already, is refused;
    - a label can be undone until the next episode starts; the arm does not go on by it, a new label is due;
    - after that an outcome can be corrected, which undoes nothing that was learned from it;
    - an outcome is entered in the ledger before it takes effect. Where that fails, what was asked for is
      refused and nothing changes; a stop and a fault take effect at once, and are entered by `take_effects`:
      no arm waits for a disk. Where that fails, it is tried again, and no episode starts until then.

    Args:
        config: see `SessionConfig`.
        records: the episodes that are over, of a run that is taken up again.
        ledger: where outcomes are entered first; None: nowhere.
        answered: ids of commands that were accepted before, of a run that is taken up again.
    """

    def __init__(
        self,
        config: SessionConfig,
        records: Iterable[EpisodeRecord] = (),
        ledger: Ledger | None = None,
        answered: Iterable[str] = (),
    ) -> None:
        self._config, self._ledger = config, ledger
        self._records = {record.episode: record for record in records}
        self._answers: OrderedDict[str, Answer] = OrderedDict.fromkeys(filter(None, answered), _OK)
        self._effects: list[Effect] = []
        self._state, self._resume_to = State.IDLE, State.IDLE
        self._sequence, self._clears, self._since_ns, self._reason = 0, 0, 0, ""
        self._now_ns = 0
        self._unkept: Entry | None = None  # of a stop or a fault
        self._position: Position | None = None
        self._episode = self._next_episode()

    @property
    def view(self) -> SessionView:
        """The session as everyone sees it."""
        episode = self._episode
        return SessionView(
            run_id=self._config.run_id,
            sequence=self._sequence,
            clears=self._clears,
            state=self._state.value,
            episode=episode.index,
            block=episode.block.name,
            mode=episode.block.mode,
            cleared_chunk=episode.cleared,
            outcome=episode.outcome or "",
            ending_chunk=episode.ending_chunk,
            layout_seed=episode.layout_seed,
            layout=episode.layout,
            author=episode.author,
            possible=self._possible(),
            since_ns=self._since_ns,
            window_s=self._window_s(),
            reason=self._reason,
        )

    @property
    def position(self) -> Position | None:
        """Block of the present episode, and what was done of it before; None when the plan is finished."""
        return self._position

    @property
    def case(self) -> str:
        """Robustness case of the present episode, empty for none."""
        return self._episode.block.case

    def take_effects(self) -> list[Effect]:
        """What is to be carried out since the last call, in order. A stop is to be published before."""
        self._keep_halted()
        effects, self._effects = self._effects, []
        return effects

    def label(
        self, command_id: str, episode: int, chunk: int, label: str, author: str, now_ns: int
    ) -> Answer:
        """A label, success, failure or continue, for the episode and chunk that its author saw.

        Chunk -1 is the one that is executing.
        """
        self._tick(now_ns)
        return self._once(command_id, lambda: self._label(command_id, episode, chunk, label, author))

    def command(
        self, command_id: str, episode: int, command: str, author: str, now_ns: int, value: str = ""
    ) -> Answer:
        """A command: start, begin, pause, resume, stop, abort, undo, clear, or correct, whose value is the
        new outcome. A stop needs no id and no episode, and acts however often it comes.
        """
        self._tick(now_ns)
        handlers: dict[str, Callable[[], Answer]] = {
            "start": lambda: self._refusal(Event.START, episode) or self._start(),
            "begin": lambda: self.begin(episode, now_ns),
            "pause": lambda: self._refusal(Event.PAUSE, episode) or self._pause(author),
            "resume": lambda: self._refusal(Event.RESUME, episode) or self._go(Event.RESUME, self._resume_to),
            "stop": lambda: self._halt(Event.STOP, State.STOPPED, stopped_by(author), author, command_id),
            "abort": lambda: self._refusal(Event.ABORT, episode) or self._abort(author, command_id),
            "undo": lambda: self._refusal(Event.UNDO, episode) or self._undo(author, command_id),
            "clear": lambda: self._refusal(Event.CLEAR, episode) or self._clear(),
            "correct": lambda: self._correct(episode, value, author, command_id),
        }
        if command not in handlers:
            return Answer(False, f"command {command!r} is unknown, allowed: {', '.join(handlers)}")
        if command == "stop":
            return handlers["stop"]()
        return self._once(command_id, handlers[command])

    def helped(self, episode: int, chunk: int) -> None:
        """A person had the arm in this chunk."""
        if episode == self._episode.index and self._episode.open:
            self._episode.helped.add(chunk)

    def shadowed(self, episode: int, chunk: int) -> None:
        """The motors were off in this chunk: nothing moved."""
        if episode == self._episode.index and self._episode.open:
            self._episode.shadow.add(chunk)

    def reset_done(self, episode: int, layout: str, now_ns: int) -> Answer:
        """The world is reset; ``layout`` describes it for people."""
        self._tick(now_ns)
        refusal = self._refusal(Event.RESET_DONE, episode)
        if refusal:
            return refusal
        self._episode.layout, self._episode.displaced = layout, False
        return self._go(Event.RESET_DONE, State.READY)

    def displaced(self, episode: int) -> None:
        """An arm is not at its home, after the reset: a person moved it. It goes home again at "begin"."""
        if episode == self._episode.index and self._state is State.READY:
            self._episode.displaced = True

    def begin(self, episode: int, now_ns: int) -> Answer:
        """The policy takes over at ``now_ns``, or as soon as the arms are home again."""
        self._tick(now_ns)
        refusal = self._refusal(Event.BEGIN, episode)
        if refusal:
            return refusal
        if self._episode.displaced:
            self._episode.begins = True
            self._effects.append(ResetWorld(episode, self._episode.layout_seed, laid_out=True))
            return self._go(Event.BEGIN, State.RESETTING)
        self._episode.begun, self._episode.began_ns = True, now_ns
        return self._go(Event.BEGIN, State.RUNNING)

    def chunk_ended(self, episode: int, chunk: int, now_ns: int) -> Answer:
        """A chunk's time is over, which clears it; in lockstep it changes nothing, the judge clears them."""
        self._tick(now_ns)
        refusal = self._refusal(Event.CHUNK_ENDED, episode) or self._refusal_of_closed()
        if refusal or self._config.lockstep:
            return refusal or _OK
        last = self._episode.last_chunk
        if chunk < self._episode.pending:
            return Answer(False, f"chunk {chunk} was cleared already")
        self._episode.cleared = min(chunk, last - 1)
        if chunk < last:
            return self._go(Event.CHUNK_ENDED, self._state)
        return self._go(Event.CHUNK_ENDED, State.JUDGING)

    def fault(self, reason: str, now_ns: int) -> Answer:
        """Something is broken: the episode is void, and a person has to clear it. The first reason stays."""
        self._tick(now_ns)
        return self._halt(Event.FAULT, State.FAULTED, reason, "fault")

    def elapse(self, now_ns: int) -> bool:
        """Does what is due by itself at ``now_ns``, one transition at most; True if there was one.

        An episode begins after its reset, the judging window closes with the horizon, and the undo window
        with the next episode, each as configured.
        """
        self._tick(now_ns)
        window_s = self._window_s()
        if window_s == _WAITS or (now_ns - self._since_ns) * 1e-9 < window_s:
            return False
        if self._state is State.READY:
            return self.begin(self._episode.index, now_ns).accepted
        if self._state is State.LABELLED:
            return self._start().accepted
        answer = self._end(Event.HORIZON, "horizon", "horizon")
        return answer.accepted or self.fault(answer.reason, now_ns).accepted

    def _label(self, command_id: str, episode: int, chunk: int, label: str, author: str) -> Answer:
        if label not in ("success", "failure", "continue"):
            return Answer(False, f"label {label!r} is unknown, allowed: success, failure, continue")
        event = Event.CONTINUE if label == "continue" else Event.LABEL
        refusal = self._refusal(event, episode) or self._refusal_of_closed() or self._refusal_of_chunk(chunk)
        if refusal:
            return refusal
        if label == "continue":
            return self._continue(author, command_id)
        return self._end(event, "success" if label == "success" else "failure", author, command_id)

    def _continue(self, author: str, command_id: str) -> Answer:
        """The pending chunk did not end the episode; the last one reaches the horizon."""
        if self._state is not State.JUDGING and not self._config.lockstep:
            return Answer(False, "chunks clear by themselves here; label success or failure")
        if self._episode.at_horizon:
            return self._end(Event.CONTINUE, "horizon", author, command_id)
        if self._state is State.JUDGING:
            return Answer(False, "the arm has been stopped by a label; label success or failure, or abort")
        self._episode.cleared += 1
        return self._go(Event.CONTINUE, self._state)

    def _start(self) -> Answer:
        """The next episode, which closes the undo window; or the end of the plan."""
        if refusal := self._keep_halted():
            return refusal
        following = self._next_episode()
        if self._position is None:
            self._effects.append(FinishRun())
            return self._go(Event.START, State.DONE)
        self._episode = following
        self._effects.append(ResetWorld(self._episode.index, self._episode.layout_seed))
        return self._go(Event.START, State.RESETTING)

    def _clear(self) -> Answer:
        """The arms are asked to clear what they complain of; a stop or a fault of the session is over."""
        self._clears += 1
        return self._go(Event.CLEAR, State.IDLE)

    def _pause(self, author: str) -> Answer:
        self._resume_to = self._state
        return self._go(Event.PAUSE, State.PAUSED, f"paused by {author}")

    def _abort(self, author: str, command_id: str) -> Answer:
        refusal = self._refusal_of_closed()
        return refusal or self._end(Event.ABORT, "void", author, command_id, f"aborted by {author}")

    def _undo(self, author: str, command_id: str) -> Answer:
        """Takes the label back. Until there is a new one the record says void, even after a crash."""
        old = self._episode.outcome
        if old == "void":
            return Answer(False, "a void episode stays void, its motion was interrupted; start the next one")
        pending = f"{old} by {self._episode.author} undone by {author}, no new label yet"
        undone = replace(self._episode)
        undone.end("void", author, self._now_ns, pending)
        refusal = self._enter("undo", undone, command_id)
        if refusal:
            return refusal
        self._episode.reopen()
        return self._go(Event.UNDO, State.JUDGING)

    def _halt(self, event: Event, target: State, reason: str, author: str, command_id: str = "") -> Answer:
        """Stop and fault: possible from everywhere; what is final already stays."""
        if self._state not in TRANSITIONS[event]:
            return self._refusal(event, self._episode.index) or _OK
        if self._state is target or target not in TRANSITIONS[event][self._state]:
            return _OK
        if self._episode.open:
            before = self._episode.outcome or ""
            ended = replace(self._episode)
            ended.end("void", author, self._now_ns, reason)
            self._episode = ended
            kind: EntryEvent = "stop" if event is Event.STOP else "fault"
            self._unkept = self._entry(
                kind, ended.record(self._config.chunk_steps), before, author, command_id
            )
        return self._go(event, target, reason)

    def _keep_halted(self) -> Answer | None:
        """Enter what a stop or a fault ended; a refusal where that cannot be kept yet."""
        if self._unkept is None:
            return None
        refusal = self._write(self._unkept)
        if refusal is None:
            self._unkept = None
        elif refusal.reason not in self._reason:
            self._reason = "; ".join(filter(None, (self._reason, refusal.reason)))
            self._sequence += 1
        return refusal

    def _end(
        self, event: Event, outcome: Outcome, author: str, command_id: str = "", reason: str = ""
    ) -> Answer:
        ended = replace(self._episode)
        ended.end(outcome, author, self._now_ns, reason)
        refusal = self._enter(_ENTERED.get(event, "label"), ended, command_id)
        if refusal:
            return refusal
        self._episode = ended
        return self._go(event, State.LABELLED, reason)

    def _correct(self, episode: int, outcome: str, author: str, command_id: str) -> Answer:
        """The outcome of an episode that is over was a mistake. What was learned from it stays learned."""
        old = self._records.get(episode)
        refusal = self._keep_halted() or self._refusal_of_correction(episode, old, outcome)
        if refusal or old is None:
            return refusal or _OK
        reason = f"{old.outcome} by {old.label_author} corrected by {author}"
        record = replace(old, outcome=cast(Outcome, outcome), label_author=author, reason=reason)
        refusal = self._keep("correct", record, old.outcome, author, command_id)
        if refusal:
            return refusal
        self._effects.append(CorrectLabel(command_id, record))
        self._sequence += 1
        return _OK

    def _refusal_of_correction(self, episode: int, old: EpisodeRecord | None, outcome: str) -> Answer | None:
        if outcome not in OUTCOMES:
            return Answer(False, f"outcome {outcome!r} is unknown, allowed: {', '.join(OUTCOMES)}")
        if old is None:
            return Answer(False, f"episode {episode} has no outcome yet; nothing to correct")
        if episode == self._episode.index and self._state in (State.JUDGING, State.LABELLED, State.PAUSED):
            return Answer(False, f"episode {episode} is not closed yet; undo its label instead")
        if old.outcome == outcome:
            return Answer(False, f"episode {episode} is {outcome} already, by {old.label_author}")
        if old.void:
            return Answer(False, f"episode {episode} stays void: {old.reason}")
        if outcome == "horizon" and old.chunks < self._config.horizon_chunks:
            last = f"after {old.chunks} of {self._config.horizon_chunks} chunks"
            return Answer(False, f"episode {episode} ended {last}, before the horizon")
        if outcome == "void" and not may_become_void(self._config.plan, self._episode.block, old):
            return Answer(False, f"episode {episode}: its block '{old.block}' is over; it stays in its count")
        return None

    def _enter(self, event: EntryEvent, episode: Episode, command_id: str) -> Answer | None:
        """Keep the record of an episode with an outcome; a refusal where it cannot be kept."""
        before = self._episode.outcome or ""
        record = episode.record(self._config.chunk_steps)
        return self._keep(event, record, before, episode.author, command_id)

    def _keep(
        self, event: EntryEvent, record: EpisodeRecord, before: str, author: str, command_id: str
    ) -> Answer | None:
        return self._write(self._entry(event, record, before, author, command_id))

    def _entry(
        self, event: EntryEvent, record: EpisodeRecord, before: str, author: str, command_id: str
    ) -> Entry:
        return Entry(
            event=event,
            command_id=command_id,
            author=author,
            before=before,
            stamp_ns=self._now_ns,
            record=record,
        )

    def _write(self, entry: Entry) -> Answer | None:
        """Keep an entry for good; a refusal where that fails."""
        try:
            if self._ledger is not None:
                self._ledger.append(entry)
        except DataError as error:
            return Answer(False, str(error))
        self._records[entry.record.episode] = entry.record
        self._effects.append(RecordEpisode(entry.record))
        return None

    def _tick(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def _window_s(self) -> float:
        """How long the present state lasts if nothing happens."""
        if self._state is State.READY and (self._config.auto_begin or self._episode.begins):
            return self._config.countdown_s
        if self._state is State.LABELLED and self._config.undo_window_s is not None:
            return self._config.undo_window_s
        if self._state is State.JUDGING and self._episode.at_horizon:
            return self._config.judge_window_s
        return _WAITS

    def _possible(self) -> tuple[str, ...]:
        """Labels and commands that would be accepted for the present episode."""
        found = [event.value for event in _COMMANDS if self._state in TRANSITIONS[event]]
        if self._episode.outcome == "void" and "undo" in found:
            found.remove("undo")
        if self._state in TRANSITIONS[Event.LABEL] and self._episode.open:
            found += ["success", "failure", "abort"]
        here = self._episode.index
        if any(not record.void for episode, record in self._records.items() if episode != here):
            found.append("correct")
        return tuple(found)

    def _next_episode(self) -> Episode:
        """The episode after the recorded ones, at the first unfinished block (or behind the plan's last)."""
        config, known = self._config, list(self._records.values())
        index, last = max(self._records, default=-1) + 1, config.horizon_chunks - 1
        self._position = position(config.plan, known)
        if self._position is None:
            return Episode(index, config.plan[-1], 0, last)
        seed = next_layout_seed(config.seed, self._position, known, config.presets)
        return Episode(index, self._position.block, seed, last)

    def _go(self, event: Event, target: State, reason: str = "") -> Answer:
        if target not in TRANSITIONS[event][self._state]:
            raise RuntimeError(f"bug: {event} cannot lead from {self._state} to {target}")
        self._reason = reason or (self._reason if target is self._state else "")
        self._since_ns = self._since_ns if target is self._state else self._now_ns
        self._state = target
        self._sequence += 1
        return _OK

    def _once(self, command_id: str, handle: Callable[[], Answer]) -> Answer:
        if not command_id:
            return Answer(False, "the command has no id; give each a new one, so that a repeat counts once")
        if command_id not in self._answers:
            self._answers[command_id] = handle()
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        return self._answers[command_id]

    def _refusal(self, event: Event, episode: int) -> Answer | None:
        if episode != self._episode.index:
            return Answer(False, f"{event} is for episode {episode}, this is episode {self._episode.index}")
        if self._state not in TRANSITIONS[event]:
            allowed = possible_in(event)
            return Answer(False, f"{event} is not possible while {self._state}; possible in: {allowed}")
        return None

    def _refusal_of_closed(self) -> Answer | None:
        if self._episode.open:
            return None
        outcome = self._episode.outcome
        why = f"is labelled {outcome} already; undo first" if outcome else "has not begun"
        return Answer(False, f"episode {self._episode.index} {why}")

    def _refusal_of_chunk(self, chunk: int) -> Answer | None:
        pending = self._episode.pending
        if chunk in (-1, pending):
            return None
        why = "was cleared already" if chunk < pending else "has not been reached"
        return Answer(False, f"chunk {chunk} {why}; a label now is about chunk {pending}")
