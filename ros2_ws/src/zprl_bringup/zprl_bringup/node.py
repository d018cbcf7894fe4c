"""How a process of the graph declares its parameters, calls services, runs and ends.

A node subclasses `Node` or `LifecycleNode` of this module and its executable is one line::

    def main() -> None:
        run(ArmBridge)

The loop turns on `spin_once(timeout_sec=1.0)`: rclpy 9's EventsExecutor, the fastest one, never dispatches in
`spin()` without a time-out. SIGINT and SIGTERM end the loop while the context still works, so that a node
can stop what it drives and say so. A `ZprlError` ends the process with one line and exit code 2; anything
else is a bug and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import rclpy
import rclpy.lifecycle
import rclpy.node
import rclpy.timer
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterUninitializedException,
)
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from zprl_bringup.ending import exit_after
from zprl_core import scheduling
from zprl_core.config import RigConfig, TaskConfig, check_pair, load_rig, load_task
from zprl_core.errors import ConfigError, RigError, ZprlError
from zprl_core.run_folder import RunFolder

USER_ERROR = 2
_LOOK_S = 0.02
ENDING_S = 2  # that DDS and the interpreter may take to end, with everything done
_SWITCH_S = 0.0005  # in which a busy thread lets another one have the interpreter; 5 ms left to itself
T = TypeVar("T", bool, int, float, str, list[str])


@dataclass(frozen=True)
class Setup:
    """What every node of one session is told.

    Attributes:
        rig, task: loaded and checked against each other.
        run_id: names the session; messages of another one are refused.
        run_dir: the session's folder, or None where a node writes nothing.
        seed: of the run.
        lockstep: whether time is the simulation's (True) or the system clock's (False).
    """

    rig: RigConfig
    task: TaskConfig
    run_id: str
    run_dir: Path | None
    seed: int
    lockstep: bool

    @property
    def folder(self) -> RunFolder:
        """The session's folder, for a node that cannot do without.

        Raises:
            ConfigError: the parameter run_dir is empty.
        """
        if self.run_dir is None:
            raise ConfigError(
                "parameter 'run_dir' is required: the folder of the session, which "
                "`zprl train`, `zprl evaluate` or `zprl collect` makes"
            )
        return RunFolder(self.run_dir)


class _Patience:
    """Looks for a service's server until it is there or `patience_s` are over."""

    def __init__(self, node: Any, client: Client, send: Callable[[], None], patience_s: float) -> None:
        self._node, self._client, self._send, self._patience_s = node, client, send, patience_s
        self._deadline_s = time.monotonic() + patience_s
        self._timer = node.create_timer(_LOOK_S, self._look)

    def _look(self) -> None:
        if not self._client.service_is_ready():
            if time.monotonic() > self._deadline_s:
                self._node.destroy_timer(self._timer)
                name = self._client.service_name
                self._node.fail(
                    RigError(f"service {name}: no server after {self._patience_s:g} s; see the logs")
                )
            return
        self._node.destroy_timer(self._timer)
        self._send()


class _Shared:
    """What `Node` and `LifecycleNode` add to rclpy's."""

    failure: BaseException | None = None
    finished = False
    """Set by a node that has nothing left to do: its process ends with exit code 0."""

    def __init__(self, name: str) -> None:
        """name: of the executable; the graph may give the node another one."""
        super().__init__(name)  # type: ignore[call-arg]
        self._executable = name
        self._reached: set[Client] = set()

    def parameter(
        self: Any,
        name: str,
        default: T,
        description: str,
        *,
        low: float | None = None,
        high: float | None = None,
        allowed: Sequence[str] = (),
    ) -> T:
        """Declare a parameter and return its value.

        Args:
            name: of the parameter.
            default: its default; its type is the parameter's type.
            description: one line with the unit.
            low, high: inclusive bounds of a number.
            allowed: the allowed texts, any text if empty.

        Raises:
            ConfigError: the value that was given has another type or is not allowed.
        """
        descriptor = ParameterDescriptor(
            description=description, read_only=True, additional_constraints=", ".join(allowed)
        )
        bounds = (-(2.0**62) if low is None else low, 2.0**62 if high is None else high)
        if isinstance(default, int) and not isinstance(default, bool):
            descriptor.integer_range = [IntegerRange(from_value=int(bounds[0]), to_value=int(bounds[1]))]
        elif isinstance(default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=bounds[0], to_value=bounds[1])]
        try:
            # rclpy cannot tell the type of an empty list.
            given = default or [""] if isinstance(default, list) else default
            value = self.declare_parameter(name, given, descriptor).value
        except (
            InvalidParameterTypeException,
            InvalidParameterValueException,
            ParameterUninitializedException,
        ) as error:
            raise ConfigError(f"{self.get_name()}: parameter '{name}' ({description}): {error}") from error
        if allowed and value not in allowed:
            choices = ", ".join(allowed)
            raise ConfigError(f"{self.get_name()}: parameter '{name}': '{value}' is not one of {choices}")
        return [item for item in value if item] if isinstance(default, list) else value

    def setup(self: Any) -> Setup:
        """Declare the parameters that all nodes share and load what they name; run where the rig says.

        Raises:
            ConfigError: an unknown rig or task, or two that do not fit each other; a processor that this
                machine does not have.
        """
        rig = self.parameter("rig", "", "name of the rig, or path of its YAML file")
        task = self.parameter("task", "", "name of the task, or path of its YAML file")
        run_dir = self.parameter("run_dir", "", "folder of the session; empty where nothing is written")
        setup = Setup(
            rig=load_rig(rig),
            task=load_task(task),
            run_id=self.parameter("run_id", "", "name of the session; messages of another one are refused"),
            run_dir=Path(run_dir) if run_dir else None,
            seed=self.parameter("seed", 0, "of every random draw of the run", low=0),
            lockstep=self.parameter("lockstep", False, "simulated time, as fast as the CPU allows"),
        )
        check_pair(setup.rig, setup.task)
        for process in setup.rig.compute.processes:
            if process.name == self._executable:
                for problem in scheduling.apply(process):
                    self.get_logger().warning(problem)
        return setup

    def create_timer(
        self,
        timer_period_sec: float,
        callback: Callable[[], None] | None,
        callback_group: Any = None,
        clock: Clock | None = None,
        **options: Any,
    ) -> rclpy.timer.Timer:
        """rclpy's, on a clock that nobody sets: left to its own, a system clock that steps back by some
        seconds would silence a servo loop for as long.
        """
        clock = clock or Clock(clock_type=ClockType.STEADY_TIME)
        return super().create_timer(  # type: ignore[misc]
            timer_period_sec, callback, callback_group, clock, **options
        )

    def now_ns(self: Any) -> int:
        """The ROS system clock, ns."""
        return int(self.get_clock().now().nanoseconds)

    def fail(self, error: BaseException) -> None:
        """End the process with this error, from any thread; the first one counts."""
        if self.failure is None:
            self.failure = error

    def call(
        self: Any, client: Client, request: Any, on_answer: Callable[[Any], None], *, patience_s: float = 30.0
    ) -> None:
        """Call a service without waiting; `on_answer` gets the response in this node's thread.

        A server that is not there yet is given `patience_s`; then the process ends with a RigError. An
        exception in `on_answer` ends it too. (Left to rclpy 9 it would crash the EventsExecutor with a
        segmentation fault; so would one in a coroutine callback: use none.)
        """

        def done(future: Any) -> None:
            try:
                if not future.cancelled():
                    on_answer(future.result())
            except BaseException as error:
                self.fail(error)

        def send() -> None:
            client.call_async(request).add_done_callback(done)

        if client in self._reached or client.service_is_ready():
            self._reached.add(client)
            send()
        else:
            _Patience(self, client, send, patience_s)

    def shut_down(self) -> None:
        """Called once before the process ends, with a working context; a node that drives something stops
        it.
        """


class Node(_Shared, rclpy.node.Node):
    """A node without a lifecycle."""


class LifecycleNode(_Shared, rclpy.lifecycle.LifecycleNode):
    """A lifecycle node whose transitions are plain methods.

    `configure`, `activate`, `deactivate` and `cleanup` raise a `ZprlError` to refuse; the node then logs the
    reason in one line and stays in the state it was in.
    """

    def configure(self) -> None:
        """Unconfigured to inactive: open devices, load files, create topics."""

    def activate(self) -> None:
        """Inactive to active: from here on it acts."""

    def deactivate(self) -> None:
        """Active to inactive: nothing moves any more."""

    def cleanup(self) -> None:
        """Inactive to unconfigured: what `configure` opened is closed."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """rclpy's hook."""
        result = self._transition("configure", self.configure)
        _spare_collector()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """rclpy's hook."""
        result = self._transition("activate", self.activate)
        return super().on_activate(state) if result == TransitionCallbackReturn.SUCCESS else result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """rclpy's hook."""
        result = self._transition("deactivate", self.deactivate)
        return super().on_deactivate(state) if result == TransitionCallbackReturn.SUCCESS else result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """rclpy's hook."""
        return self._transition("cleanup", self.cleanup)

    def _transition(self, name: str, step: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            step()
        except ZprlError as error:
            self.get_logger().error(f"cannot {name}: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # a bug: rclpy would swallow it
            self.fail(error)
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS


def run(factory: Callable[[], Node | LifecycleNode], args: Sequence[str] | None = None) -> None:
    """Run a node until a signal or an error ends it, then exit the process.

    Exit codes: 0 after SIGINT or SIGTERM or when the node has finished, 2 after a `ZprlError`.
    """
    faulthandler.enable()  # where native code crashes, the log says from where it was called
    sys.setswitchinterval(_SWITCH_S)
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    code, node, bug = 0, None, True
    try:
        executor = EventsExecutor()
        stop = _stop_on_signals(executor.wake)
        node = factory()
        _spare_collector()
        executor.add_node(node)
        _spin(executor, node, stop)
        bug = False
    except ZprlError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        code, bug = USER_ERROR, False
    finally:
        with contextlib.ExitStack() as whatever_fails:
            whatever_fails.callback(rclpy.try_shutdown)
            if node is not None:
                whatever_fails.callback(node.destroy_node)
                node.shut_down()
            sys.stdout.flush()
            if not bug:  # whose traceback is printed at the very end
                exit_after(ENDING_S, code)
    sys.exit(code)


def _spare_collector() -> None:
    """Have Python's collector pass over what is there by now, mostly modules: to look through it takes it
    tens of milliseconds, in which neither setpoints nor chunks are made, whenever enough has come since.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _spin(executor: Any, node: Node | LifecycleNode, stop: threading.Event) -> None:
    while not stop.is_set() and rclpy.ok() and not node.finished:
        executor.spin_once(timeout_sec=1.0)
        if node.failure is not None:
            raise node.failure


def _stop_on_signals(wake: Callable[[], None]) -> threading.Event:
    """An event that SIGINT and SIGTERM set.

    The executor waits in C++ where Python's handlers cannot run, so the interpreter also writes the signal
    to a pipe, and a thread that reads it wakes the executor.
    """
    stop = threading.Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def watch() -> None:
        while not stop.is_set():
            os.read(reader, 1)
            stop.set()
            wake()

    threading.Thread(target=watch, name="signals", daemon=True).start()
    return stop
