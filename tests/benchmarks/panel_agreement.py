"""Whether what operators saw accepted is what a run's records say: ledger, episodes, bags, learner's log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mcap.reader import make_reader
from rclpy.serialization import deserialize_message
from zprl_interfaces.msg import Correction, SessionState

from tests.benchmarks.panel_operator import Expectation
from zprl_core import record_log
from zprl_core.bags.labels import bag_name, label_facts
from zprl_core.bags.reading import bag_file
from zprl_core.bags.rosbag2 import read_metadata
from zprl_core.records import EpisodeRecord, read_records
from zprl_core.rl.transition import REWARDS, TERMINAL
from zprl_core.run_folder import RunFolder
from zprl_core.session.ledger import Entry, in_effect, read_ledger

Records = Mapping[int, EpisodeRecord]
KINDS = {"/session/state": SessionState, "/session/correction": Correction}


def disagreements(run: RunFolder, expected: Expectation) -> list[str]:
    """Every difference between the expectation and the run's records, in words; empty where there is none."""
    entries = in_effect(read_ledger(run.ledger_file))
    records = {entry.record.episode: entry.record for entry in entries}
    log = [record for _, record in record_log.read(run.transitions_file)]
    return [
        *ledger_against(expected, entries),
        *episodes_against(run, entries),
        *bags_against(run, entries),
        *learner_against(log, records),
    ]


def ledger_against(expected: Expectation, entries: Sequence[Entry]) -> list[str]:
    """The last outcome of each episode, and one line for each command that was accepted, for its episode."""
    found = {entry.record.episode: entry.record.outcome for entry in entries}
    wanted = {episode: outcome or "void" for episode, outcome in expected.outcomes.items()}
    wrong = [
        f"episode {episode}: the page said {wanted.get(episode)}, the ledger says {found.get(episode)}"
        for episode in sorted(wanted.keys() | found.keys())
        if wanted.get(episode) != found.get(episode)
    ]
    counts = Counter(entry.command_id for entry in entries)
    wrong += [f"command {id}: {count} lines in the ledger" for id, count in counts.items() if count > 1]
    for entry in entries:
        answer = expected.accepted.get(entry.command_id)
        said = (answer["episode"], answer["name"]) if answer else None
        if said != (entry.record.episode, _command(entry)):
            wrong.append(
                f"ledger, command {entry.command_id}: {_command(entry)}, the page was told of {said}"
            )
    labels = (*TERMINAL, "abort", "undo", "correct")
    lost = [id for id, told in expected.accepted.items() if told["name"] in labels and not counts[id]]
    return wrong + [f"command {id} ({expected.accepted[id]['name']}) is not in the ledger" for id in lost]


def _command(entry: Entry) -> str:
    return entry.record.outcome if entry.event == "label" else entry.event


def episodes_against(run: RunFolder, entries: Sequence[Entry]) -> list[str]:
    """episodes.jsonl has the ledger's records, line for line."""
    lines = [EpisodeRecord.from_json(line) for line in run.episodes_file.read_text().splitlines()]
    wanted = [entry.record for entry in entries]
    if lines == wanted:
        return []
    first = next(
        (n for n, pair in enumerate(zip(lines, wanted, strict=False)) if pair[0] != pair[1]), len(wanted)
    )
    return [f"episodes.jsonl: {len(lines)} lines, the ledger {len(wanted)}; the first other one: {first + 1}"]


def bags_against(run: RunFolder, entries: Sequence[Entry]) -> list[str]:
    """custom_data has the last record, and the session's messages tell the ledger's story."""
    wrong, states, corrections = [], {}, {}
    records = {record.episode: record for record in read_records(run.episodes_file)}
    for episode, record in records.items():
        said = read_metadata(run.bags / bag_name(episode))["custom_data"]
        if not label_facts(record).items() <= said.items():
            wrong.append(f"bag {episode}: says {said.get('outcome')}, the record {record.outcome}")
    for bag in sorted(run.bags.glob("episode_*")):
        for topic, message in session_messages(bag):
            if topic == "/session/state":
                states[message.sequence] = (int(message.episode), str(message.outcome))
            else:
                corrections[message.command_id] = (int(message.episode), str(message.outcome))
    told = outcomes_told(states[number] for number in sorted(states))
    for episode in sorted(told.keys() | records.keys()):
        wanted = [
            "" if entry.event == "undo" else entry.record.outcome
            for entry in entries
            if entry.record.episode == episode and entry.event != "correct"
        ]
        if told.get(episode, []) != wanted:
            wrong.append(
                f"bags, episode {episode}: the session told {told.get(episode)}, the ledger {wanted}"
            )
    kept = {e.command_id: (e.record.episode, e.record.outcome) for e in entries if e.event == "correct"}
    if corrections != kept:
        wrong.append(f"bags: corrections {corrections}, the ledger {kept}")
    return wrong


def session_messages(bag: Path) -> Iterable[tuple[str, Any]]:
    """Topic and message of the session's states and corrections in a bag."""
    with bag_file(bag).open("rb") as file:
        for _, channel, message in make_reader(file).iter_messages(topics=list(KINDS)):
            yield channel.topic, deserialize_message(message.data, KINDS[channel.topic])


def outcomes_told(states: Iterable[tuple[int, str]]) -> dict[int, list[str]]:
    """Every change of an episode's outcome, from (episode, outcome) of the session's states in order."""
    told: dict[int, list[str]] = {}
    now: dict[int, str] = {}
    for episode, outcome in states:
        if outcome != now.get(episode, ""):
            told.setdefault(episode, []).append(outcome)
        now[episode] = outcome
    return told


def learner_against(log: Sequence[Mapping[str, Any]], records: Records) -> list[str]:
    """What the learner learns from: each chunk once, one ending per episode, labelled as the record says."""
    transitions = [entry for entry in log if entry["kind"] == "transition"]
    counts = Counter((entry["episode"], entry["chunk"]) for entry in transitions)
    wrong = [f"learner's log: {key} is there {count} times" for key, count in counts.items() if count > 1]
    for entry in transitions:
        if not entry["last"] and (entry["reward"] or entry["terminal"]):
            wrong.append(
                f"learner's log: chunk {entry['chunk']} of {entry['episode']} has a label, and is no ending"
            )
    endings = learned_endings(log)
    for episode, record in records.items():
        found, wanted = endings.get(episode), _ending(record)
        if found != wanted and not (found is None and _excluded(transitions, record)):
            wrong.append(f"learner's log, episode {episode}: {found}, the record {wanted}")
    strangers = sorted(endings.keys() - records.keys())
    return wrong + [
        f"learner's log: an ending of episode {episode}, which has no record" for episode in strangers
    ]


def learned_endings(log: Iterable[Mapping[str, Any]]) -> dict[int, tuple[int, float, bool] | None]:
    """Chunk, r and whether it is terminal, of each ending; None where it is not learned from."""
    endings: dict[int, tuple[int, float, bool] | None] = {}
    for entry in log:
        if entry["kind"] == "transition" and entry["last"]:
            learned = (entry["chunk"], float(entry["reward"]), bool(entry["terminal"]))
            endings[entry["episode"]] = None if entry["excluded"] else learned
        elif entry["kind"] == "correction":
            outcome = entry["outcome"]
            left = (entry["chunk"], REWARDS.get(outcome, 0.0), outcome in TERMINAL)
            endings[entry["episode"]] = None if outcome == "void" else left
    return endings


def _ending(record: EpisodeRecord) -> tuple[int, float, bool] | None:
    if record.void:
        return None
    return record.chunks - 1, REWARDS[record.outcome], record.outcome in TERMINAL


def _excluded(transitions: Iterable[Mapping[str, Any]], record: EpisodeRecord) -> bool:
    """The ending is in the log, with the reason why it is not learned from."""
    return any(
        entry["last"] and entry["excluded"] and entry["episode"] == record.episode for entry in transitions
    )
