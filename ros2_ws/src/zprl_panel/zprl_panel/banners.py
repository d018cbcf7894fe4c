"""What a person must know at once: what is lost, stale or broken. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zprl_panel.latest import Latest

ERROR, WARNING = "error", "warning"
LEASE_S = 1.0  # of a message that comes at 20 Hz
STREAM_S = 1.0  # of a camera or an arm
SILENT_S = 2.0  # of a node that is asked for its state
START_S = 60.0  # in which the nodes come up
LOW_DISK, NO_DISK = 5_000_000_000, 1_000_000_000
_LEVELS = {1: WARNING, 2: ERROR, 3: ERROR}  # of diagnostic_msgs/DiagnosticStatus


@dataclass(frozen=True)
class Banner:
    """One line across the page.

    Attributes:
        key: what it is about, so that the same one is not announced twice.
        level: error or warning.
        text: what is the matter, and where it helps, what to do.
    """

    key: str
    level: str
    text: str


def banners(latest: Latest, now_s: float) -> list[Banner]:
    """Everything that is the matter now, errors first."""
    found = [
        *_nodes(latest, now_s),
        *_session(latest, now_s),
        *([] if latest.cell.lockstep else _streams(latest, now_s)),
        *_arms(latest),
        *_devices(latest, now_s),
        *_policy(latest, now_s),
        *_motions(latest),
        *_disk(latest),
    ]
    return sorted(found, key=lambda banner: banner.level != ERROR)


def _nodes(latest: Latest, now_s: float) -> Iterator[Banner]:
    for name, node in latest.nodes.items():
        if not node.present and (node.ever or now_s - latest.started_s > START_S):
            what = "is gone" if node.ever else f"has not come up in {START_S:.0f} s"
            yield Banner(f"node {name}", ERROR, f"{name[1:]} {what}; its log says why")
        elif not latest.cell.lockstep and node.asked_s is not None and now_s - node.asked_s > SILENT_S:
            text = f"{name[1:]} has not answered for {now_s - node.asked_s:.0f} s"
            yield Banner(f"silent {name}", WARNING, text)


def _session(latest: Latest, now_s: float) -> Iterator[Banner]:
    lease_s = latest.lease_s
    if not latest.cell.lockstep and lease_s is not None and now_s - lease_s > LEASE_S:
        text = (
            f"The session is silent for {now_s - lease_s:.0f} s. The arms hold. Start it again with --resume"
        )
        yield Banner("lease", ERROR, text)
    message = latest.session.message if latest.session else None
    if message is not None and message.state == "faulted":
        yield Banner("fault", ERROR, f"Stopped by a fault: {message.reason}")


def _streams(latest: Latest, now_s: float) -> Iterator[Banner]:
    started = latest.session is not None and latest.session.message.state != "idle"
    streams = [("arm", name, stream) for name, stream in latest.arms.items()]
    streams += [("camera", name, stream) for name, stream in latest.cameras.items()]
    for kind, name, stream in streams:
        age_s = stream.age_s(now_s)
        if age_s is None and started:
            yield Banner(f"{kind} {name}", ERROR, f"Nothing has come from {kind} '{name}'")
        elif age_s is not None and age_s > STREAM_S:
            yield Banner(f"{kind} {name}", ERROR, f"{kind.capitalize()} '{name}' is silent for {age_s:.0f} s")


def _arms(latest: Latest) -> Iterator[Banner]:
    for name, stream in latest.arms.items():
        state = stream.message
        if state is not None and state.fault:
            yield Banner(f"fault {name}", ERROR, f"Arm '{name}' holds: {state.fault}")


def _devices(latest: Latest, now_s: float) -> Iterator[Banner]:
    for name, seen in latest.devices.items():
        status = seen.message
        level = _LEVELS.get(_level(status.level))
        if level and now_s - seen.at_s < 5.0:
            yield Banner(f"device {name}", level, f"{name}: {status.message}")


def _level(level: bytes | int) -> int:
    return level[0] if isinstance(level, bytes) else int(level)


def _policy(latest: Latest, now_s: float) -> Iterator[Banner]:
    message = latest.policy.message if latest.policy else None
    running = latest.session is not None and latest.session.message.state == "running"
    if message is None or not running:
        return
    if message.held:
        yield Banner("held", WARNING, f"The policy holds: {message.held}")
    if message.guard and not latest.cell.blind:
        yield Banner("guard", WARNING, f"Guard: {message.guard}. lambda is at {message.lambda_scale:.0%}")


def _motions(latest: Latest) -> Iterator[Banner]:
    """Of each arm's last episode."""
    for name, motion in {motion.arm: motion for motion in latest.motions}.items():
        if motion.alarms:
            text = f"Arm '{name}' moved roughly in episode {motion.episode}: {'; '.join(motion.alarms)}"
            yield Banner(f"rough {name}", WARNING, text)


def _disk(latest: Latest) -> Iterator[Banner]:
    free = latest.disk_free
    if free is not None and free < LOW_DISK:
        level = ERROR if free < NO_DISK else WARNING
        yield Banner("disk", level, f"The disk has {free / 1e9:.1f} GB left; the run needs room for its logs")
