#!/usr/bin/env bash
# Write constraints.txt: one exact version of every package, for Python 3.10 to 3.13 on Linux x86_64.
# Run it after changing a dependency in pyproject.toml (`make lock`). Versions already there stay where they still fit;
# `make lock ARGS=--upgrade` takes the newest ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv/bin/python

header="# Exact versions of everything that \`make setup\` installs, extras included. Written by \`make lock\`: do not edit."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet uv
{ grep -v '^#' constraints.txt || true; } >"$tools/locked.txt"
"$tools/venv/bin/uv" pip compile --quiet --universal --python-version 3.10 --all-extras --no-header --no-annotate \
  "$@" --output-file "$tools/locked.txt" pyproject.toml
{ echo "$header"; grep -v "sys_platform == 'win32'" "$tools/locked.txt"; } >"$tools/constraints.txt"
mv "$tools/constraints.txt" constraints.txt
