# SPDX-License-Identifier: Apache-2.0
"""The supervisor with real processes that die, hang, or ignore signals."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from zprl_core.errors import SessionError
from zprl_core.graph import NodeSpec
from zprl_core.supervisor import Command, Ended, Supervisor, end_with_parent, interrupts_held, node_command

SLEEPER = "import time\nprint('up', flush=True)\ntime.sleep(60)"
POLITE = """
import signal, sys, time
def end(*_):
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, end)
print("up", flush=True)
time.sleep(60)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""
DYING = "import sys\nprint('one')\nprint('error: no camera', file=sys.stderr)\nsys.exit(2)"


def _command(name: str, code: str) -> Command:
    return Command(name, (sys.executable, "-c", code))


def _wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _poll_until_ended(supervisor: Supervisor) -> Ended:
    found: list[Ended] = []

    def ended() -> bool:
        now = supervisor.poll()
        if now:
            found.append(now)
        return now is not None

    _wait(ended)
    return found[0]


def _logs_say(folder: Path, names: list[str], text: str) -> Callable[[], bool]:
    return lambda: all(text in (folder / f"{n}.log").read_text() for n in names)


def test_a_death_is_named_with_its_code_and_last_lines(tmp_path: Path) -> None:
    commands = [_command("camera", DYING), _command("arm", POLITE)]
    with Supervisor(commands, tmp_path, os.environ) as supervisor:
        _wait(_logs_say(tmp_path, ["arm"], "up"))
        ended = _poll_until_ended(supervisor)
        codes = supervisor.stop()
    assert (ended.name, ended.code, ended.tail) == ("camera", 2, ("one", "error: no camera"))
    assert codes == {"camera": 2, "arm": 0}
    assert "saved" in (tmp_path / "arm.log").read_text()
    error = ended.error()
    assert isinstance(error, SessionError)
    for text in ("camera ended with exit code 2", "error: no camera", str(tmp_path / "camera.log")):
        assert text in str(error)


def test_the_error_that_another_process_reported_is_shown(tmp_path: Path) -> None:
    noisy = "import time\nprint('error: old')\nprint('[ERROR] no lens', flush=True)\ntime.sleep(60)"
    late = f"import time\nfrom pathlib import Path\nlog = Path({str(tmp_path / 'camera.log')!r})\n"
    late += "while 'lens' not in log.read_text():\n    time.sleep(0.02)\nraise SystemExit(2)"
    with Supervisor(
        [_command("camera", noisy), _command("session", late)], tmp_path, os.environ
    ) as supervisor:
        error = str(_poll_until_ended(supervisor).error())
    assert "session ended with exit code 2" in error
    assert "camera reported: [ERROR] no lens" in error
    assert "old" not in error


def test_what_may_die_is_started_again_and_the_others_live_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Command("page", (sys.executable, "-c", SLEEPER), respawn=True)
    with Supervisor([_command("arm", SLEEPER), page], tmp_path, os.environ) as supervisor:
        first = supervisor.pids()
        os.kill(first["page"], signal.SIGKILL)
        _wait(lambda: supervisor.poll() is None and supervisor.pids()["page"] != first["page"])
        _wait(lambda: _alive(supervisor.pids()["page"]))
        assert supervisor.poll() is None and supervisor.pids()["arm"] == first["arm"]
    assert capsys.readouterr().err.count("page was killed by SIGKILL and is started again") == 1


def test_a_kill_is_named_by_its_signal(tmp_path: Path) -> None:
    command = _command("learner", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with Supervisor([command], tmp_path, os.environ) as supervisor:
        ended = _poll_until_ended(supervisor)
    assert ended.how() == "was killed by SIGKILL"
    assert "(it printed nothing)" in str(ended.error())


def test_what_ignores_signals_is_killed_and_the_polite_are_not(tmp_path: Path) -> None:
    commands = [_command("stubborn", STUBBORN), _command("polite", POLITE)]
    with Supervisor(commands, tmp_path, os.environ, grace_s=0.5, term_s=0.3) as supervisor:
        _wait(_logs_say(tmp_path, ["stubborn", "polite"], "up"))
        assert supervisor.poll() is None
        assert supervisor.stop() == {"stubborn": -signal.SIGKILL, "polite": 0}
        assert supervisor.stop() == {}


def test_grandchildren_end_too(tmp_path: Path) -> None:
    code = (
        f"import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])\n"
        "print(p.pid, flush=True)\np.wait()"
    )
    with Supervisor([_command("parent", code)], tmp_path, os.environ, grace_s=0.3, term_s=0.2):
        _wait(_logs_say(tmp_path, ["parent"], "up"))
        pid = int((tmp_path / "parent.log").read_text().split()[0])
        assert _alive(pid)
    _wait(lambda: not _alive(pid))


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    code = f"""
import os, sys, time
from pathlib import Path
from zprl_core.supervisor import Command, Supervisor
child = Command("child", (sys.executable, "-c", {SLEEPER!r}))
with Supervisor([child], Path({str(tmp_path)!r}), os.environ) as s:
    print(s.pids()["child"], flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as outer:
        assert outer.stdout is not None
        pid = int(outer.stdout.readline())
        _wait(_logs_say(tmp_path, ["child"], "up"))
        outer.kill()
    _wait(lambda: not _alive(pid))


def test_an_error_while_starting_ends_what_was_started(tmp_path: Path) -> None:
    commands = [_command("first", SLEEPER), Command("second", (str(tmp_path / "absent"),))]
    supervisor = Supervisor(commands, tmp_path / "logs", os.environ, grace_s=2.0)
    with pytest.raises(FileNotFoundError):
        supervisor.__enter__()
    assert supervisor.pids() == {}


def test_output_is_echoed_with_the_name_of_its_process(tmp_path: Path) -> None:
    echo = io.StringIO()
    with Supervisor([_command("camera", DYING)], tmp_path, os.environ, echo=echo) as supervisor:
        _poll_until_ended(supervisor)
    assert [line.split() for line in echo.getvalue().splitlines()] == [
        ["camera", "|", "one"],
        ["camera", "|", "error:", "no", "camera"],
    ]


def test_a_second_start_appends_to_the_log_and_quotes_only_itself(tmp_path: Path) -> None:
    for code in ("print('first'); raise SystemExit(1)", "print('second'); raise SystemExit(1)"):
        with Supervisor([_command("node", code)], tmp_path, os.environ) as supervisor:
            ended = _poll_until_ended(supervisor)
    assert ended.tail == ("second",)
    assert (tmp_path / "node.log").read_text() == "first\nsecond\n"


def test_node_command_writes_typed_parameters(tmp_path: Path) -> None:
    parameters = {"seed": 3, "rate": 1e-05, "lockstep": True, "base": "1e5", "actor": ""}
    spec = NodeSpec("pkg", "exe", "node", parameters=parameters)
    command = node_command(spec, tmp_path, python="python3")
    file = tmp_path / "node.params.yaml"
    assert json.loads(file.read_text()) == {"/**": {"ros__parameters": parameters}}
    assert command.arguments == (
        "python3", "-m", "pkg.exe", "--ros-args", "--params-file", str(file),
        "-r", "__node:=node",
    )  # fmt: skip


def test_ros_reads_the_parameters_with_their_types(tmp_path: Path) -> None:
    pytest.importorskip("rclpy")
    parameters = {"seed": 3, "rate": 1e-05, "lockstep": True, "base": "1e5", "actor": ""}
    code = (
        "import sys, rclpy\nrclpy.init(args=sys.argv)\n"
        "n = rclpy.create_node('x', automatically_declare_parameters_from_overrides=True)\n"
        f"print(n.get_fully_qualified_name(), {{k: n.get_parameter(k).value for k in {list(parameters)}}})"
    )
    command = node_command(NodeSpec("p", "e", "node", parameters=parameters), tmp_path)
    arguments = command.arguments[command.arguments.index("--ros-args") :]
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == f"/node {parameters}", run.stderr


def test_an_interrupt_while_things_are_started_comes_once_they_are() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        os.kill(os.getpid(), signal.SIGINT)
        subprocess.run([sys.executable, "-c", ""], check=True, preexec_fn=end_with_parent)
        done.append("started")
    assert done == ["started"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
