# Sourced by setup.sh: the interpreter, and what Debian or Ubuntu must provide.
# shellcheck shell=bash disable=SC2034

SUPPORTED="3.10 3.11 3.12 3.13"
CANDIDATES=(python3.11 python3.12 python3.10 python3.13 python3)
NO_PYTHON=(
  "no supported Python found: ${PYTHON:-${CANDIDATES[*]}} (Python ${SUPPORTED// /, } is supported)"
  "install one (sudo apt-get update && sudo apt-get install -y python3 python3-venv python3-dev), or name it: make setup PYTHON=/path/to/python"
)

check_platform() {
  [[ $(uname -sm) == "Linux x86_64" ]] ||
    fail "this machine is $(uname -sm); the ROS 2 wheels exist for Linux x86_64 only"
}

# Major and minor version, or nothing where the command does not run.
python_version() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

is_supported() { [[ -n $1 && " $SUPPORTED " == *" $1 "* ]]; }

# The path of the interpreter to use: PYTHON, or the first candidate that runs and is supported.
choose_python() {
  local candidate
  for candidate in ${PYTHON:-"${CANDIDATES[@]}"}; do
    if is_supported "$(python_version "$candidate")"; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  return 1
}

apt_install() {
  say "installing Debian packages: $*"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

can_apt_install() { [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; }

# A machine without any python3 gets the distribution's, when root.
ensure_some_python() {
  [[ -n ${PYTHON:-} ]] || choose_python >/dev/null || command -v python3 >/dev/null || ! can_apt_install ||
    apt_install python3 python3-venv python3-dev
}

has_library() { { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep "$1" >/dev/null; }

# Debian packages that are missing, one a line. Off-screen rendering needs EGL with Mesa's software renderer; the
# interfaces need a compiler and Python's headers.
missing_packages() {
  local python=$1 version
  version=$(python_version "$python")
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo "python$version-venv"
  "$python" -c 'import os, sysconfig; open(os.path.join(sysconfig.get_path("include"), "Python.h"))' 2>/dev/null ||
    echo "python$version-dev"
  { command -v cc && command -v c++; } >/dev/null || echo g++
  has_library 'libEGL\.so\.1' || echo libegl1
  has_library 'libGL\.so\.1' || echo libgl1
  has_library 'libGLESv2\.so\.2' || echo libgles2
}

# Said once, before the first set-up: nothing but tests needs a browser.
mention_browser() {
  [[ -e $VENV/.zprl-packages || -n ${CHROMIUM:-} ]] || command -v chromium chromium-browser >/dev/null ||
    say "no chromium here: tests that open the operator's panel in a browser are skipped (see CONTRIBUTING.md)"
}

# Install what is missing when root on a machine with apt-get; else name it and stop.
require_system_packages() {
  local missing
  mention_browser
  mapfile -t missing < <(missing_packages "$1")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if can_apt_install; then
    apt_install "${missing[@]}"
  else
    fail "missing on this machine: ${missing[*]}. Install, then run make again:" \
      "sudo apt-get update && sudo apt-get install -y ${missing[*]}"
  fi
}
