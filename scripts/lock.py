"""Write constraints.txt: one exact version of every package, for Python 3.10 to 3.13 on Linux x86_64.

Run it after changing a dependency in pyproject.toml (`make lock`). Versions that still fit stay as they are;
`make lock ARGS=--upgrade` takes the newest ones. uv resolves, from an environment of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
HEADER = (
    "# Exact versions of all that `make setup` installs, and of extras. Written by `make lock`: do not edit."
)


def resolve(folder: Path, locked: Path, options: list[str]) -> None:
    """Update the pins in `locked`, in place.

    Raises CalledProcessError when uv cannot be installed or finds no solution; it has said why on stderr.
    """
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([folder / "venv/bin/python", "-m", "pip", "install", "--quiet", "uv"], check=True)
    command: list[str | Path] = [
        folder / "venv/bin/uv",
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--python-version",
        "3.10",
    ]
    command += ["--all-extras", "--no-header", "--no-annotate", *options, "--output-file", locked]
    subprocess.run([*command, "pyproject.toml"], check=True, cwd=ROOT)


def main() -> None:
    """Resolve with the options given, starting from the pins that there are."""
    with tempfile.TemporaryDirectory() as folder:
        locked = Path(folder) / "locked.txt"
        old = CONSTRAINTS.read_text(encoding="utf-8") if CONSTRAINTS.exists() else ""
        locked.write_text(old.replace(HEADER, ""), encoding="utf-8")
        resolve(Path(folder), locked, sys.argv[1:])
        pins = [line for line in locked.read_text(encoding="utf-8").splitlines() if "'win32'" not in line]
    CONSTRAINTS.write_text("\n".join([HEADER, *pins]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
