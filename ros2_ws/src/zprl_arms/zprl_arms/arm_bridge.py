"""One arm's bridge: a lifecycle node around an `ArmController` and a driver.

What may move in which state: unconfigured, nothing is connected. Inactive, connected and read, and the arm
holds. Active, the arm follows chunks while the session is running, and goes home while it is resetting.
Whatever dies around it, the arm slows down and holds; what stops one arm of a rig stops all of them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial

from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from zprl_interfaces.msg import (
    ActionChunk,
    ArmState,
    SessionState,
    Stop,
)
from zprl_interfaces.srv import SimReset

from zprl_arms import messages
from zprl_arms.controller import ArmController
from zprl_arms.driver import ArmDriver, ArmReading, SimulatedArm
from zprl_arms.drivers import make_driver
from zprl_arms.halves import Halves
from zprl_arms.identity import check_serial
from zprl_arms.limits import safety_limits
from zprl_arms.lockstep import Lockstep
from zprl_arms.motion import MotionKeeper
from zprl_arms.motion_worker import REST_S as REST_AFTER_S
from zprl_arms.motion_worker import MotionWorker
from zprl_arms.outlets import Outlets
from zprl_arms.posture import Posture
from zprl_arms.readings import Readings
from zprl_arms.realtime import RealTime
from zprl_arms.statistics import ServoStatistics
from zprl_arms.timing import Timing
from zprl_bringup import convert, qos
from zprl_bringup.claim import Claim, claim_arm
from zprl_bringup.node import LifecycleNode, run
from zprl_bringup.ticks import GridTimer
from zprl_core.errors import ConfigError, DataError, RigError
from zprl_core.run_folder import RunFolder
from zprl_core.stops import arm_source, stopped_by
from zprl_core.transforms import Pose

STATE_RATE_HZ = 60.0
BETWEEN = ("labelled", "judging")
"""In simulated time: states in which a chunk is one that a label interrupted before it began."""
BEFORE = ("resetting", "ready", "paused")
"""In real time: states in which a policy may have heard already that the session runs."""
HALTING = ("idle", "paused", "stopped", "faulted")
"""States in which a gripper begins nothing; in others it may open at home, where no chunk is taken either."""
REST_S = 2.0  # in which an arm must have come to rest before its bridge lets go of it
CLEAR_S = 10.0  # and a driver must be through with clearing a fault


class ArmBridge(LifecycleNode):
    """Moves the arm named by the parameter `arm`."""

    def __init__(self) -> None:
        super().__init__("arm_bridge")
        self._setup = self.setup()
        self._config = self._setup.rig.arm(self.parameter("arm", "", "name of the arm in the rig"))
        if self._setup.lockstep and self._config.driver != "sim":
            raise ConfigError(
                f"arm '{self._config.name}': lockstep needs driver sim, not {self._config.driver}"
            )
        self._shadow = self.parameter("shadow", False, "motors stay off: nothing moves")
        self._demonstrated = self.parameter("demonstrated", False, "no policy moves the arm, only a person")
        self._timing = Timing.of(self._setup.task, self._config)
        self._statistics = ServoStatistics()
        self._episode, self._sequence = 0, 0  # the latter of the session's state, when it last began to reset
        self._driver: ArmDriver | None = None
        self._simulated: SimulatedArm | None = None  # the driver, where it is one
        self._claim: Claim | None = None
        self._clearing: threading.Thread | None = None
        self._timer: GridTimer | None = None
        self._deaf: list[Callable[[], object]] = []  # what makes it deaf to commands
        self._state = ""
        self._clears: int | None = None
        self._heard: tuple[int, int] | None = None  # stamp and sequence of the session's last state
        self._stopped = False
        self._deferred: ActionChunk | None = None
        self._every = max(1, int(self._config.servo_rate_hz / STATE_RATE_HZ))
        self._called: Header | None = None  # of this bridge's last call to stop the rig

    def configure(self) -> None:
        """Connect, and hold where the arm is."""
        driver = make_driver(self._setup.rig, self._setup.task, self._config)
        try:
            self._connect(driver)
            self._prepare(driver)
        except BaseException:
            self._disconnect(driver)
            raise
        self._driver = driver

    def _prepare(self, driver: ArmDriver) -> None:
        """Everything that follows a connection."""
        self._readings = Readings(self._config, driver.read)
        joints = self._readings.newest().joint_position_rad
        simulated = self._simulated = driver if isinstance(driver, SimulatedArm) else None
        self._posture = None if simulated else Posture(self._setup.rig, self._config, joints)
        if self._shadow and self._posture is not None:
            self._readings.pose_of(self._posture.tool_at)
        others = [arm.name for arm in self._setup.rig.arms if arm.name != self._config.name]
        self._neighbours = [] if simulated else others
        self._controller = ArmController(
            self._config,
            self._setup.task,
            self._setup.run_id,
            self._readings.newest().setpoint,
            lease_s=None if self._setup.lockstep else self._config.lease_s,
            shadow=self._shadow,
            posture=self._posture,
            streams_joints=driver.streams_joints,
            demonstrated=self._demonstrated,
        )
        self._lockstep: Lockstep | None = None
        self._realtime: RealTime | None = None
        if simulated is not None and self._setup.lockstep:
            self._lockstep = Lockstep(simulated, self._controller, self._timing, self)
        else:
            self._realtime = RealTime(
                driver,
                self._controller,
                self._timing,
                self,
                shadow=self._shadow,
                most_gap_s=self._config.watchdog_s,
            )
        self._fault, self._halted = "", False
        self._outlets = Outlets(
            self, self._config, self._setup.run_id, lockstep=self._setup.lockstep, shadow=self._shadow
        )
        self._motion = MotionWorker(
            MotionKeeper(self._config.name, shadow=self._shadow),
            None if self._setup.run_dir is None else RunFolder(self._setup.run_dir).motion,
            self._setup.task.smoothness,
            self._outlets.motion,
            self.get_logger().warning,
            rest_s=0.0 if self._posture is None else REST_AFTER_S,
        )

    def _connect(self, driver: ArmDriver) -> None:
        if not (self._shadow or isinstance(driver, SimulatedArm)):
            self._claim = claim_arm(self._config)
        driver.connect(enable=not self._shadow)
        facts = driver.facts()
        check_serial(self._setup.rig, self._config, facts)
        for what, value in facts.items():
            self.get_logger().info(f"arm '{self._config.name}': {what}: {value}")

    def _disconnect(self, driver: ArmDriver) -> None:
        if self._clearing is not None:
            self._clearing.join(CLEAR_S)
        driver.close()
        if self._claim is not None:
            self._claim.close()
        self._claim = None

    def activate(self) -> None:
        """From here on chunks are executed while the session runs."""
        self._activated_ns = self._now_ns()
        self._halves: Halves[ActionChunk] = Halves(self._neighbours, self._take)
        profile, root = qos.stream(self._setup.lockstep), f"/arms/{self._config.name}"
        commands = self.create_subscription(ActionChunk, f"{root}/command", self._on_command, profile)
        session = self.create_subscription(SessionState, "/session/state", self._on_session, qos.changes())
        stops = self.create_subscription(Stop, "/rig/stop", self._on_stop, qos.status())
        lease = self.create_subscription(Header, "/session/lease", self._on_lease, qos.status())
        stop = self.create_service(Trigger, f"{root}/stop", self._on_stop_service)
        heard = [commands, session, stops, lease, *self._watch_neighbours(profile)]
        self._deaf = [partial(self.destroy_subscription, each) for each in heard]
        self._deaf.append(partial(self.destroy_service, stop))
        if self._simulated is not None:
            reset = self.create_service(SimReset, "/sim/reset", self._on_reset)
            self._deaf.append(partial(self.destroy_service, reset))
        if self._realtime is not None:
            self._timer = GridTimer(self, self._realtime.grid, self._on_timer)

    def deactivate(self) -> None:
        """The arm slows down and holds."""
        self._come_to_rest("the bridge was deactivated")
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        for destroy in self._deaf:
            destroy()
        self._deaf = []
        self._leave_out_deferred("the bridge was deactivated")

    def cleanup(self) -> None:
        """Disconnect."""
        self._motion.close(self._now_ns())
        self._outlets.destroy()
        if self._driver is not None:
            self._disconnect(self._driver)
        self._driver = self._simulated = None

    def shut_down(self) -> None:
        """Brings the arm to rest, disconnects, and leaves the servo's statistics in the run's folder."""
        if self._driver is not None:
            with contextlib.ExitStack() as whatever_fails:
                whatever_fails.callback(self._disconnect, self._driver)
                whatever_fails.callback(lambda: self._motion.close(self._now_ns()))
                self._come_to_rest("the bridge ends")
        if self._setup.run_dir is not None and self._setup.run_dir.is_dir():
            folder, name = RunFolder(self._setup.run_dir), self.get_name()
            before = folder.read_stats().get(name, {})  # of a run that is taken up again
            self._statistics.skipped_steps += before.get("skipped_steps", 0)
            folder.write_stats(name, self._statistics.summary(self._timing.servo_s))

    def on_observation(self, stamp_ns: int, chunk: int | None, chunk_start_ns: int, ended: bool) -> None:
        """Lockstep: a state that the policy will see. The picture takes longest, so its state goes first."""
        if not ended:
            self._publish_world(stamp_ns, observed=True, chunk_end=-1)
        self._publish_arm(stamp_ns)
        if chunk is not None:
            self._outlets.due(stamp_ns, self._episode, chunk, chunk_start_ns)

    def on_moved(self, n: int, stamp_ns: int) -> None:
        """Lockstep: a servo period is over."""
        if self._motion.wanted and n % self._every == 0 and self._simulated is not None:
            self._motion.sample(stamp_ns, self._controller, self._simulated.tool())

    def on_chunk_end(self, stamp_ns: int, chunk: int, observed: bool) -> None:
        """Lockstep: a chunk's time is over. The judge's state goes first: everybody waits for the judge."""
        self._publish_world(stamp_ns, observed=observed, chunk_end=chunk)
        self._publish_reports(stamp_ns)

    def on_servo(self, n: int, stamp_ns: int) -> None:
        """Real time: a servo period was served."""
        tick = n % self._timing.servos_per_tick == 0
        if n % self._every == 0 or tick:
            reading = self._publish_arm(stamp_ns)
            self._motion.sample(stamp_ns, self._controller, reading.pose_base_tcp, reading.stamp_ns)
        if tick:
            self._publish_world(stamp_ns, observed=True, chunk_end=-1)

    def _on_command(self, message: ActionChunk) -> None:
        if self._deferred is None and self._is_early(message):
            self._deferred = message
            return
        if message.source == "policy":
            start_ns, now_ns = convert.stamp_ns(message), self._now_ns()
            self._halves.mine(message.episode, message.chunk, message, start_ns, now_ns)
        else:
            self._take(message)

    def _is_early(self, message: ActionChunk) -> bool:
        """Whether its sender is ahead of the bridge: what the session says next decides about it."""
        if self._lockstep is not None:
            return self._state == "paused"  # sent before the pause was heard; simulated time stands still
        ahead_s = (convert.stamp_ns(message) - self._now_ns()) * 1e-9
        return (
            self._state in BEFORE
            and message.source == "policy"
            and (message.run_id, message.episode) == (self._setup.run_id, self._episode)
            and 0.0 < ahead_s <= safety_limits(self._config).max_ahead_s
        )

    def _take_deferred(self) -> None:
        if self._deferred is not None and not self._is_early(self._deferred):
            deferred, self._deferred = self._deferred, None
            self._on_command(deferred)

    def _leave_out_deferred(self, reason: str) -> None:
        if self._deferred is not None:
            command, self._deferred = messages.chunk_command(self._deferred), None
            self._controller.leave_out(command, f"{reason} before it began")
            self._publish_reports(self._now_ns())

    def _take(self, message: ActionChunk) -> None:
        command, now_ns = messages.chunk_command(message), self._caught_up()
        problem = self._lockstep.problem(command) if self._lockstep is not None else ""
        if problem:
            self._controller.refuse(command, f"chunk {command.name}: {problem}")
        elif self._lockstep is not None and self._state in BETWEEN:
            reason = f"labelled before it began: the session is {self._state}"
            self._controller.leave_out(command, reason, "label")
        elif self._controller.command(command, now_ns):
            self._motion.chunk(self._controller)
            if self._lockstep is not None:
                self._lockstep.execute()
                now_ns = self._now_ns()
        self._publish_reports(now_ns)

    def _on_session(self, message: SessionState) -> None:
        if message.run_id != self._setup.run_id or self._driver is None or self._was_heard(message):
            return
        now_ns = self._caught_up()
        reading, cleared = self._readings.newest(), self._clears is not None and message.clears > self._clears
        if self._lockstep is None and convert.stamp_ns(message) < self._activated_ns:
            cleared = False  # what the session said before this bridge was there clears nothing here
        self._clears = message.clears
        if message.state == "resetting" != self._state:
            self._sequence = message.sequence
        self._state = message.state
        if self._posture is not None:
            self._episode = message.episode
        self._motion.on_session(message.state, message.episode, message.outcome, now_ns)
        self._controller.on_lease(now_ns)
        self._controller.on_session(message.state, message.episode, now_ns, reading.setpoint, cleared=cleared)
        self._publish_reports(now_ns)
        if cleared and reading.fault and not (self._clearing and self._clearing.is_alive()):
            self._clearing = threading.Thread(target=self._clear_driver, name="clear", daemon=True)
            self._clearing.start()
        if self._lockstep is not None and message.state == "running":
            self._lockstep.begin(message.episode)
        self._take_deferred()

    def _was_heard(self, message: SessionState) -> bool:
        """Real time: to whoever subscribes anew, the session's last states come again."""
        if self._lockstep is not None:
            return False
        key = (convert.stamp_ns(message), message.sequence)
        if self._heard is not None and key[0] <= self._heard[0] and key[1] <= self._heard[1]:
            return True
        self._heard = key
        return False

    def _on_reset(self, request: SimReset.Request, response: SimReset.Response) -> SimReset.Response:
        if self._simulated is None:
            return response
        world = self._simulated.reset(request.layout_seed, request.case_name)
        self._leave_out_deferred("the world was reset")
        self._controller.reset(world.home)
        self._episode = request.episode
        start_ns = self._now_ns() if self._lockstep is None else self._lockstep.reset(request.episode)
        response.ok, response.layout = True, world.layout
        response.start = convert.time_message(start_ns)
        return response

    def _watch_neighbours(self, profile: QoSProfile) -> list[Subscription]:
        hear = self.create_subscription
        states = [
            hear(ArmState, f"/arms/{name}/state", self._on_neighbour, profile) for name in self._neighbours
        ]
        return states + [
            hear(ActionChunk, f"/arms/{name}/command", partial(self._on_neighbour_command, name), profile)
            for name in self._neighbours
        ]

    def _on_neighbour(self, state: ArmState) -> None:
        assert self._posture is not None
        joints = convert.vector(state.joint_position_rad)
        try:
            tool = Pose(*convert.pose_arrays(state.pose_base_tcp))
            told = Pose(*convert.pose_arrays(state.setpoint_base_tcp))
        except DataError:
            return  # no numbers: its state grows old, and this arm stops for that
        self._posture.on_neighbour(state.arm, joints, tool, convert.stamp_ns(state), told)

    def _on_neighbour_command(self, name: str, message: ActionChunk) -> None:
        now_ns = self._now_ns()
        self._controller.on_neighbour_chunk(name, messages.chunk_command(message), now_ns)
        if message.run_id == self._setup.run_id and message.source == "policy":
            self._halves.theirs(name, message.episode, message.chunk, now_ns)

    def _on_lease(self, message: Header) -> None:
        if message.frame_id == self._setup.run_id:
            self._controller.on_lease(self._now_ns())

    def _on_stop(self, message: Stop) -> None:
        """Somebody stops the rig. An echo of this bridge's own call could come after it was cleared."""
        if message.header == self._called:
            return
        self._stopped = True  # known to the rig: not to be called out again
        self._controller.stop(stopped_by(message.source, message.reason), self._caught_up())

    def _on_stop_service(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._stop_rig("the service /arms/" + self._config.name + "/stop", "on request")
        response.success, response.message = True, "the arms slow down and hold until the session is cleared"
        return response

    def _stop_rig(self, source: str, reason: str) -> None:
        self._stopped = True
        self._controller.stop(stopped_by(source, reason), self._caught_up())
        self._called = self._outlets.stop(self._now_ns(), source, reason)

    def _home(self) -> None:
        """While the session resets, a real arm goes home, as soon as nothing stops it."""
        sequence = self._sequence
        if self._state != "resetting" or self._posture is None or self._controller.homed_sequence == sequence:
            return
        if self._shadow:
            self.get_logger().info("shadow mode: the arm is not moved to its home")
            self._controller.homed_sequence = sequence
        elif not self._controller.fault and self._controller.at_rest:
            self._controller.go_home(sequence, self._now_ns())

    def _clear_driver(self) -> None:
        """A person asked for it. In a thread: it may take seconds, in which a stop must be heard."""
        assert self._driver is not None
        try:
            self._driver.clear_fault()
        except RigError as error:
            self.get_logger().error(str(error))

    def _supervise(self, reading: ArmReading, stamp_ns: int) -> None:
        self._controller.on_reading(reading, stamp_ns)
        if self._readings.problem:
            self._controller.stop(self._readings.problem, stamp_ns)
        if self._controller.fault and not self._stopped:
            self._stop_rig(arm_source(self._config.name), self._controller.fault)
        self._stopped = bool(self._controller.fault)

    def _come_to_rest(self, reason: str) -> None:
        """Serve the servo periods of a controlled deceleration, in this thread."""
        realtime = self._realtime
        if realtime is None or self._timer is None:
            return
        self._look_at_clocks(realtime)
        self._controller.hold(reason, self._now_ns())
        end_s = time.monotonic() + REST_S
        while time.monotonic() < end_s:
            self._look_at_clocks(realtime)
            n = realtime.grid.index(self._now_ns())
            realtime.run_to(n)
            if self._controller.at_rest:
                return
            time.sleep(max(0.0, (realtime.grid.at(n + 1) - self._now_ns()) * 1e-9))

    def _on_timer(self, n: int, stamp_ns: int) -> None:
        if self._realtime is None or self._driver is None:
            return
        self._look_at_clocks(self._realtime)
        self._statistics.missed_periods += self._realtime.catch_up(self._realtime.grid.at(n - 1))
        self._supervise(self._readings.newest(), stamp_ns)
        self._home()
        self._take_deferred()
        self._halves.overdue(self._now_ns())
        self._statistics.sent(time.time_ns(), stamp_ns)
        self._statistics.missed_periods += self._realtime.run_to(n)
        self._publish_reports(stamp_ns)

    def _caught_up(self) -> int:
        """The time, ns, to which a simulated arm has now been moved."""
        now_ns = self._now_ns()
        if self._realtime is not None and self._timer is not None:
            self._statistics.missed_periods += self._realtime.catch_up(now_ns)
        return now_ns

    def _look_at_clocks(self, realtime: RealTime) -> None:
        if problem := realtime.look(time.time_ns(), time.monotonic_ns()):
            self.get_logger().error(f"arm '{self._config.name}': {problem}")

    def _now_ns(self) -> int:
        return self.now_ns() if self._lockstep is None else self._lockstep.now_ns

    def _publish_arm(self, stamp_ns: int) -> ArmReading:
        fault = self._controller.fault
        if fault and fault != self._fault:
            self.get_logger().error(f"arm '{self._config.name}' holds: {fault}")
        self._fault = fault
        halted = bool(fault) or self._state in HALTING
        if halted != self._halted and self._driver is not None:
            self._driver.halt(halted=halted)
            self._halted = halted
        reading = self._readings.newest()
        self._outlets.state(stamp_ns, reading, self._controller)
        return reading

    def _publish_world(self, stamp_ns: int, *, observed: bool, chunk_end: int) -> None:
        if self._simulated is not None:
            world = self._simulated.world()
            self._outlets.world(stamp_ns, self._episode, world, observed=observed, chunk_end=chunk_end)

    def _publish_reports(self, stamp_ns: int) -> None:
        reports = self._controller.reports(stamp_ns)
        for report in reports:
            if not report.refused and report.outcome is not None:
                self._statistics.ended(report.outcome)
        self._outlets.reports(stamp_ns, self._controller.dim, reports)


def main() -> None:
    """Run the node."""
    run(ArmBridge)


if __name__ == "__main__":
    main()
