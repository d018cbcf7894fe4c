#!/usr/bin/env bash
# Make .venv-franka-sim: the two simulated Franka controllers that tests/hardware/franka.py starts. They speak FCI, the
# protocol of the real controller, to the real client. Each gets an environment of its own: franka-sim insists on a
# numpy that is older than what franky-sim's pinocchio runs with.
# Does nothing when nothing changed since the last time.
#
#   PYTHON  interpreter for the environments (default: the one of .venv, else python3)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FOLDER=.venv-franka-sim
PACKAGES=("franky-sim==1.0.4" "franka-sim==1.1.7")
if [[ -z ${PYTHON:-} ]]; then
  PYTHON=python3
  [[ ! -x .venv/bin/python ]] || PYTHON=.venv/bin/python
fi

say() { printf 'franka_simulators: %s\n' "$*"; }

fail() {
  printf 'franka_simulators: error: %s\n' "$@" >&2
  exit 1
}

# create FOLDER PACKAGE: an environment that holds one package.
create() {
  say "installing $2 into $1"
  "$PYTHON" -m venv --clear "$1" || fail "$PYTHON -m venv failed; on Debian: sudo apt-get install -y python3-venv"
  PYTHONWARNINGS=ignore "$1/bin/python" -m pip install --quiet --no-input --disable-pip-version-check "$2" ||
    fail "pip could not install $2"
}

# franky-sim ships the FR3's MJCF; its meshes lie where franky-sim, not where MuJoCo looks for them. franka-sim takes
# the origin of link 7 for the flange, which is 107 mm further along its axis: there the copy has that origin.
link_model() {
  local assets
  assets=$("$FOLDER/franky-sim/bin/python" -c 'import franky_sim; print(franky_sim.__path__[0])')/assets
  rm -rf "$FOLDER/fr3"
  mkdir -p "$FOLDER/fr3"
  ln -s "$assets/meshes" "$FOLDER/fr3/assets"
  "$FOLDER/franky-sim/bin/python" - "$assets/fr3.xml" "$FOLDER/fr3/fr3.xml" <<'EOF'
import sys
import xml.etree.ElementTree as ElementTree

FLANGE_M = 0.107
model = ElementTree.parse(sys.argv[1])
link7 = model.find(".//body[@name='fr3_link7']")
x, y, z = map(float, link7.get("pos").split())
link7.set("pos", f"{x} {y - FLANGE_M} {z}")  # its z axis is link 6's -y
for part in link7:
    if part.tag != "joint":
        x, y, z = map(float, part.get("pos", "0 0 0").split())
        part.set("pos", f"{x} {y} {z - FLANGE_M}")
model.write(sys.argv[2])
EOF
}

main() {
  local made="$PWD ${PACKAGES[*]}" package
  mkdir -p "$FOLDER"
  exec 9>"$FOLDER/.lock"
  flock 9
  if [[ $(cat "$FOLDER/.made" 2>/dev/null) != "$made" ]]; then
    rm -rf "$FOLDER/.made" "$FOLDER/fr3"
    for package in "${PACKAGES[@]}"; do
      create "$FOLDER/${package%%==*}" "$package"
    done
    echo "$made" >"$FOLDER/.made"
  fi
  [[ $FOLDER/fr3/fr3.xml -nt scripts/franka_simulators.sh ]] || link_model
}

main
