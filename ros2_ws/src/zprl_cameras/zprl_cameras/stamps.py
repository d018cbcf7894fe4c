"""When a picture was taken, on the system clock, from what a device says about it. Pure: no clock is read."""

from __future__ import annotations

from collections import deque

WINDOW_NS = 10_000_000_000
JUMP_NS = 1_000_000_000
JUMP_FRAMES = 5
OLDEST_NS = 1_000_000_000
EARLY_NS = 1_000_000


class ClockMap:
    """A device's own clock to the system clock: a minimum-delay filter.

    A frame arrives after it was stamped, sometimes a little and sometimes much later. The smallest (arrival -
    device stamp) of the last seconds is therefore the offset between the clocks plus the shortest delay of
    the transport, which is constant and belongs to the camera's calibrated `delay_s`. The window lets the
    offset follow the drift between two oscillators (50 ppm are 0.5 ms in 10 s). When the device's clock goes
    backwards, or several frames in a row lie more than a second above the smallest delay, a clock was set,
    and the estimate starts again.

    Args:
        window_ns: how far back delays count, ns.
    """

    def __init__(self, window_ns: int = WINDOW_NS) -> None:
        self._window_ns = window_ns
        self._offsets: deque[tuple[int, int]] = (
            deque()
        )  # (device, offset), both growing: the first is smallest
        self._last_ns: int | None = None
        self._late = 0

    def __call__(self, device_ns: int, arrival_ns: int) -> int:
        """System time of a frame, ns.

        Args:
            device_ns: its stamp on the device's clock.
            arrival_ns: when it arrived, on the system clock.
        """
        offset_ns = arrival_ns - device_ns
        if self._clock_was_set(device_ns, offset_ns):
            self._offsets.clear()
            self._late = 0
        self._last_ns = device_ns
        while self._offsets and self._offsets[-1][1] >= offset_ns:
            self._offsets.pop()
        self._offsets.append((device_ns, offset_ns))
        while self._offsets[0][0] < device_ns - self._window_ns:
            self._offsets.popleft()
        return device_ns + self._offsets[0][1]

    def _clock_was_set(self, device_ns: int, offset_ns: int) -> bool:
        late = bool(self._offsets) and offset_ns > self._offsets[0][1] + JUMP_NS
        self._late = self._late + 1 if late else 0
        return self._late >= JUMP_FRAMES or (self._last_ns is not None and device_ns < self._last_ns)


def before_arrival(arrival_ns: int, period_ns: int) -> int:
    """Where a device gives no stamp: half a frame before the arrival.

    A picture is exposed and read out within its period, so the middle of it lies between nothing and one
    period before its arrival, plus a transport that nobody knows; `delay_s` is calibrated on top.
    """
    return arrival_ns - period_ns // 2


class BufferClock:
    """System time of V4L2 buffers.

    Their stamps are on the monotonic clock, as nearly every driver has it, or on the system clock: on the one
    on which a buffer was once up to a second old. From then on a buffer may be as old as it says, as one is
    that waited while this process stood still. A driver that stamps with something else, or with 0, gets
    `before_arrival`.

    Args:
        period_ns: of the stream.
    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._monotonic: bool | None = None

    def __call__(self, buffer_ns: int, monotonic_ns: int, system_ns: int) -> int:
        """When a buffer was filled, ns.

        Args:
            buffer_ns: the buffer's stamp.
            monotonic_ns, system_ns: both clocks, read together when the buffer arrived.
        """
        if buffer_ns <= 0:
            return before_arrival(system_ns, self._period_ns)
        ages_ns = {True: monotonic_ns - buffer_ns, False: system_ns - buffer_ns}
        for monotonic, age_ns in ages_ns.items():
            if -EARLY_NS <= age_ns <= OLDEST_NS:
                self._monotonic = monotonic
                return system_ns - age_ns
        if self._monotonic is None or ages_ns[self._monotonic] < 0:
            return before_arrival(system_ns, self._period_ns)
        return system_ns - ages_ns[self._monotonic]
