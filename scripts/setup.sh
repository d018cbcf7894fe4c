#!/usr/bin/env bash
# Set up .venv: Python packages at the versions of constraints.txt, this project (editable), and its ROS 2 interfaces.
# Does nothing when nothing changed since the last time. `make setup` calls it, as do `make demo` and `make test`.
#
#   PYTHON  interpreter for a new .venv (default: the first supported one of python3.11 3.12 3.10 3.13 python3)
#   TORCH   what pip installs as torch instead of the pinned version, for example a build for another CUDA:
#           make setup TORCH="torch==2.13.0 --index-url <an index of PyTorch>"
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/system_packages.sh

VENV=.venv
INTERFACES=ros2_ws/src/zprl_interfaces
HEADSET=iwer@2.5.0
SIMULATORS=(metaworld==3.1.1 robosuite==1.5.1)
TORCH=${TORCH:-}

say() { printf 'setup: %s\n' "$*"; }

fail() {
  printf 'setup: error: %s\n' "$@" >&2
  exit 1
}

# A rebuilt environment is what a move, another interpreter or an interrupted creation needs: paths are written into it.
venv_is_usable() {
  [[ -x $VENV/bin/python && $(cat $VENV/.zprl-home 2>/dev/null) == "$PWD" ]] &&
    $VENV/bin/python -m pip --version >/dev/null 2>&1 &&
    { [[ -z ${PYTHON:-} ]] || [[ $(python_version "$PYTHON") == "$(python_version $VENV/bin/python)" ]]; }
}

create_venv() {
  local python=$1
  say "creating $VENV with Python $(python_version "$python") ($python)"
  rm -rf "$VENV"
  "$python" -m venv "$VENV"
  pip_install --upgrade pip setuptools
  pwd >$VENV/.zprl-home
}

pip_install() {
  local quiet=()
  [[ -t 1 ]] || quiet=(--quiet)
  PYTHONWARNINGS=ignore $VENV/bin/python -m pip install --no-input --disable-pip-version-check "${quiet[@]}" \
    --constraint "$(constraints)" "$@"
}

# The pins; without torch's where the user chose another one.
constraints() {
  if [[ -z $TORCH ]]; then
    echo constraints.txt
  else
    grep -vE '^(torch|triton|nvidia-|cuda-)' constraints.txt >$VENV/.zprl-constraints.txt
    echo $VENV/.zprl-constraints.txt
  fi
}

# What a step's result depends on: its settings, and the names and contents of files.
fingerprint() {
  local setting=$1
  shift
  { echo "$setting"; find "$@" -type f -not -path '*/build/*' -not -path '*.egg-info/*' -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum; } | sha256sum | cut -d' ' -f1
}

# step STAMP FINGERPRINT COMMAND...: run the command unless it succeeded before with the same fingerprint.
step() {
  local stamp=$VENV/.zprl-$1 print=$2
  shift 2
  [[ $(cat "$stamp" 2>/dev/null) == "$print" ]] && return
  rm -f "$stamp"
  "$@"
  echo "$print" >"$stamp"
}

install_packages() {
  say "installing Python packages (the first time takes minutes: torch is large)"
  if [[ -n $TORCH ]]; then
    # shellcheck disable=SC2086  # TORCH holds several arguments
    pip_install $TORCH
  fi
  pip_install --no-build-isolation --editable '.[benchmarks,dev,formats,interfaces,real]'
}

# Without what they ask for: one patch release of MuJoCo, and a second build of OpenCV.
install_simulators() {
  say "fetching the simulators of the benchmark tasks (190 MB)"
  pip_install --no-deps "${SIMULATORS[@]}" ||
    say "warning: pip could not fetch ${SIMULATORS[*]}; tests that need them are skipped"
}

install_interfaces() {
  say "building the ROS 2 interfaces (about half a minute)"
  pip_install --no-build-isolation --no-deps --force-reinstall "./$INTERFACES"
  rm -rf $INTERFACES/build $INTERFACES/*.egg-info
}

# A headset in software, which tests of the teleoperation page put into the browser. Without npm they are skipped.
install_headset() {
  say "fetching the emulated headset of the tests"
  npm install --silent --no-save --no-audit --no-fund --ignore-scripts --prefix $VENV/headset "$HEADSET" >/dev/null ||
    say "warning: npm could not fetch $HEADSET; tests that need it are skipped"
}

main() {
  check_platform
  exec 9>.venv.lock
  flock 9
  local python=
  venv_is_usable || ensure_some_python
  venv_is_usable || python=$(choose_python) || fail "${NO_PYTHON[@]}"
  require_system_packages "${python:-$VENV/bin/python}"
  [[ -z $python ]] || create_venv "$python"
  local settings
  settings="$TORCH $(echo ./*/__init__.py ros2_ws/src/*/*/__init__.py)"
  step packages "$(fingerprint "$settings" pyproject.toml setup.py constraints.txt scripts/setup.sh zprl_core/__init__.py)" \
    install_packages
  step interfaces "$(fingerprint "$(grep -E '^(ros-|numpy)' constraints.txt)" $INTERFACES)" install_interfaces
  step simulators "${SIMULATORS[*]}" install_simulators
  ! command -v npm >/dev/null || step headset "$HEADSET" install_headset
}

main
