# SPDX-License-Identifier: Apache-2.0
"""zprl bag: what is in the bag of an episode, and the rescue of one that a kill cut off."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zprl_core.bags.reading import Description
    from zprl_core.bags.recovery import Recovered

NAME = "bag"
HELP = "look at the bag of an episode, or recover one that was cut off"
DESCRIPTION = """\
A session that records writes RUN/bags/episode_<n>, an MCAP file with rosbag2's metadata.yaml.

  info      topics, times and label of a bag, whole or not
  recover   make bags readable again that a kill, a power cut or a full disk cut off
"""
EXAMPLE = """\
  zprl bag info runs/my/run/bags/episode_000012
  zprl bag recover runs/my/run/bags/episode_000012
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    info = actions.add_parser("info", help="topics, times and label of a bag, whole or not")
    info.add_argument("bag", type=Path, metavar="BAG", help="folder of a bag, or its .mcap file")
    recover = actions.add_parser("recover", help="make bags readable again that were cut off")
    recover.add_argument(
        "bags", nargs="+", type=Path, metavar="BAG", help="folder of a bag, or its .mcap file"
    )
    recover.add_argument(
        "--out", type=Path, metavar="DIR", help="new folder for the one restored bag (default: in place)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.action == "info":
        from zprl_core.bags.reading import describe

        print(_described(describe(args.bag), _label(args.bag)))
        return 0
    return _recover(args.bags, args.out)


def _recover(bags: list[Path], out: Path | None) -> int:
    from zprl_core.bags.labels import agree_with_run
    from zprl_core.bags.named import bags_named
    from zprl_core.bags.recovery import recover
    from zprl_core.errors import ConfigError, DataError

    named, failed = bags_named(bags), 0
    if not named:
        raise ConfigError(f"{', '.join(map(str, bags))}: name the bags in there that are to be recovered")
    if out is not None and len(named) > 1:
        raise ConfigError(f"--out {out}: takes one bag, {len(named)} were named")
    for bag in named:
        try:
            found = recover(bag, out)
            agree_with_run(found.folder)
        except DataError as error:
            if len(named) == 1:
                raise
            print(f"error: {error}", file=sys.stderr)
            failed += 1
            continue
        print(f"{found.folder}: {_outcome(found)}")
    return 1 if failed else 0


def _outcome(found: Recovered) -> str:
    damage = found.damage
    if damage.none:
        return f"is whole, {found.messages} messages"
    chunks = f", {len(damage.chunks)} damaged chunks left out" if damage.chunks else ""
    chunks += f", {damage.missing} messages are missing" if damage.missing else ""
    return f"{found.messages} messages restored, {damage.lost_bytes} bytes at the end were cut off{chunks}"


def _label(bag: Path) -> dict[str, str]:
    """The label that counts, of a bag that was finished."""
    from zprl_core.bags.rosbag2 import METADATA, read_metadata

    folder = bag if bag.is_dir() else bag.parent
    return dict(read_metadata(folder).get("custom_data") or {}) if (folder / METADATA).exists() else {}


def _described(bag: Description, label: dict[str, str]) -> str:
    from zprl_core.bags.episodes import EPISODE_RECORD, RUN_RECORD

    contents = bag.contents
    lines = [
        f"{bag.path}: {contents.messages} messages, {(contents.end_ns - contents.start_ns) * 1e-9:.3f} s"
    ]
    if not bag.damage.none:
        lines.append("cut off or damaged: `zprl bag recover` restores what is there")
    facts = {**bag.metadata.get(RUN_RECORD, {}), **bag.metadata.get(EPISODE_RECORD, {}), **label}
    lines += [f"  {key}: {value}" for key, value in facts.items() if value]
    lines += [f"  attached: {name}, {size} bytes" for name, size in bag.attachments.items()]
    for topic in sorted(contents.topics, key=lambda topic: topic.name):
        lines.append(f"  {topic.messages:7d}  {topic.name}  {topic.type_name}")
    return "\n".join(lines)
