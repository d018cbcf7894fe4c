#!/usr/bin/env bash
# Make .venv-format-readers: the own readers of LeRobot and robomimic, with which tests/formats opens what was exported.
# An environment of their own: LeRobot 0.4.4 asks for a torch below 2.11 and robomimic 0.3.0 for packages that it does
# not need to read, so both go in without their dependencies, beside the torch of .venv.
# Does nothing when nothing changed since the last time.
#
#   PYTHON  interpreter for the environment (default: the one of .venv, else python3)
#   TORCH   what pip installs as torch (default: the version of constraints.txt)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FOLDER=.venv-format-readers
ALONE=("torchvision==0.28.0" "lerobot==0.4.4" "robomimic==0.3.0" "accelerate==1.15.0")
NEEDED=("av" "datasets" "h5py" "huggingface_hub" "numpy" "packaging" "pandas" "pillow" "psutil" "pyarrow" "pyyaml"
  "safetensors" "termcolor" "tqdm")
if [[ -z ${PYTHON:-} ]]; then
  PYTHON=python3
  [[ ! -x .venv/bin/python ]] || PYTHON=.venv/bin/python
fi
TORCH=${TORCH:-$(grep -oE '^torch==[0-9.]+' constraints.txt)}

say() { printf 'format_readers: %s\n' "$*"; }

fail() {
  printf 'format_readers: error: %s\n' "$@" >&2
  exit 1
}

pip_install() {
  PYTHONWARNINGS=ignore "$FOLDER/bin/python" -m pip install --quiet --no-input --disable-pip-version-check "$@" ||
    fail "pip could not install $*"
}

create() {
  say "installing ${ALONE[*]} into $FOLDER"
  "$PYTHON" -m venv --clear "$FOLDER" || fail "$PYTHON -m venv failed; on Debian: sudo apt-get install -y python3-venv"
  # shellcheck disable=SC2086  # TORCH holds several arguments
  pip_install $TORCH
  pip_install "${NEEDED[@]}"
  pip_install --no-deps "${ALONE[@]}"
}

main() {
  local made="$PWD $TORCH ${ALONE[*]} ${NEEDED[*]}"
  exec 9>"$FOLDER.lock"
  flock 9
  [[ $(cat "$FOLDER/.made" 2>/dev/null) == "$made" ]] && return
  create
  echo "$made" >"$FOLDER/.made"
}

main
