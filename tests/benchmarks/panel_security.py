"""Tries to get into the operator's panel from outside, and prints what it answers as a Markdown table.

`python -m tests.benchmarks.panel_security [--address HOST]`: two servers, each a process of its own, one at
127.0.0.1 and one, encrypted, at another address of this machine. Ends with 1 where an answer is another one
than expected.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.outsider import Door
from tests.benchmarks.panel_attempts import OLD, PARTS, Panel, Try
from tests.panel.bench import free_port


@contextlib.contextmanager
def serving(host: str, other: Panel | None = None) -> Iterator[Panel]:
    """A server in a process of its own, with a guest whose 12 hours are over, and an operator who is in."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port(host)
        (folder / "panel").mkdir(mode=0o700)
        gone = {"name": "operator-1", "role": "operator", "until_s": time.time() - 1.0}
        guests = {"count": 1, "guests": {hashlib.sha256(OLD.encode()).hexdigest(): gone}}
        (folder / "panel" / "guests.json").write_text(json.dumps(guests))
        command = [sys.executable, "-m", "tests.panel.bench", f"{host}:{port}", str(folder)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            link = server.stdout.readline()
            trusted = str(folder / "tls" / "tls.crt") if link.startswith("https") else ""
            made = Panel(Door(host, port, trusted), folder, other=other)
            made.cookie = made.enter()
            yield made
        finally:
            server.send_signal(signal.SIGINT)
            said = server.communicate(timeout=20.0)[1]
            errors = [
                line for line in said.splitlines() if "Error" in line and "KeyboardInterrupt" not in line
            ]
            print(f"\nErrors in the server's log: {len(errors)}", *errors, sep="\n")


def another_address() -> str:
    """An address of this machine that is not loopback, as its default route has it; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))
        return str(probe.getsockname()[0])


def attempt(panel: Panel, name: str, what: Try, expected: str) -> bool:
    """Print one line of the table; whether the answer is as expected."""
    time.sleep(0.5)  # the gate allows ten requests a second in the long run
    try:
        answer = str(what(panel))
    except (OSError, AssertionError) as error:
        answer = f"{type(error).__name__}: {error}"
    fine = re.fullmatch(expected, answer, re.DOTALL) is not None
    print(
        f"| {name} | {answer[:110].replace('|', '/')} | {'yes' if fine else f'NO: {expected}'} |", flush=True
    )
    return fine


def main() -> int:
    """Print the table; 0 where every answer is as expected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="", help="another address of this machine")
    host = parser.parse_args().address or another_address()
    fine = True
    with serving("127.0.0.1") as other:
        for at in ("127.0.0.1", host):
            with serving(at, other) as panel:
                print(f"\n## {panel.door.url.rpartition(':')[0]}")
                for part, attempts in PARTS.items():
                    print(f"\n{part}:\n\n| attempt | answer | as expected |\n|---|---|---|")
                    answers = [attempt(panel, *each) for each in attempts]
                    fine = fine and all(answers)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
