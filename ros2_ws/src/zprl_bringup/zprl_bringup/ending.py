"""Ends a process at a time, whatever its threads do.

Fast DDS 3.2 can hang for good while a node's participant is destroyed, where another process of the graph
ends at the same time (`DomainParticipant::set_listener` waits for a discovery callback that waits for it),
and holds the interpreter's lock, so that no thread of Python could help: one node in 300 of those that ended
eight at a time.
"""

from __future__ import annotations

import ctypes

_SIGEV_THREAD, _CLOCK_MONOTONIC = 2, 1


class _SigEvent(ctypes.Structure):
    """struct sigevent of Linux: 64 bytes."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("pad", ctypes.c_byte * 32),
    )


class _TimerSpec(ctypes.Structure):
    """struct itimerspec: interval and delay, each in s and ns."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("s", ctypes.c_long),
        ("ns", ctypes.c_long),
    )


def exit_after(seconds: int, code: int) -> None:
    """End this process with an exit code after a time, unless it has ended by then: at once, without a word,
    and without flushing anything. To be called when nothing is left that must be done.
    """
    libc = ctypes.CDLL(None)
    event = _SigEvent(value=code, notify=_SIGEV_THREAD)
    event.function = ctypes.cast(libc._exit, ctypes.c_void_p).value
    timer, spec = ctypes.c_void_p(), _TimerSpec(s=seconds)
    clocks = libc if hasattr(libc, "timer_create") else ctypes.CDLL("librt.so.1")  # before glibc 2.34
    if clocks.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) == 0:
        clocks.timer_settime(timer, 0, ctypes.byref(spec), None)
