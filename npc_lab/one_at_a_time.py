"""One thing at a time: who waits for whom, and what a Ctrl-C must not cut in two.

A reply to the second line must know the answer to the first. So each user of an NPC has one holder at a
time, the reply that is being made; others wait. In a notebook somebody may forget a half-read reply:

    stream = npc.stream("Tell me a story.", "rosamund")
    next(stream)                                   the first words are read, and then no more
    npc.chat("Are you still there?", "rosamund")   is answered all the same

The second call would wait for ever for the first. So it looks who holds the user, sees that nobody reads on,
and takes the place. What a Ctrl-C may part, and what not, stands below (`uninterrupted`).
"""

import _thread
import functools
import signal
import sys
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar, Optional, ParamSpec, Self, TypeVar

# A stream that nobody reads for so many seconds loses its place as soon as somebody else wants it.
ABANDONED_AFTER = 3.0
_LOOK_AGAIN = 0.05  # seconds between two looks at whether the holder has gone

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Holder(ABC):
    """What holds a user: a stream that is read piece by piece. It notes who reads it, and when.

    A subclass calls `super().__init__()` last: what was not finished counts as closed.
    """

    _is_closed = True
    holds = False  # whether it has its user now

    def __init__(self) -> None:
        self._closing = threading.Lock()
        self._end_of_hold = threading.Lock()  # free again once it has released its user
        self._overtaken = False
        self._reader = threading.current_thread()
        self._is_being_read = False
        self._last_read = time.monotonic()
        self._is_closed = False

    @abstractmethod
    def close(self) -> None:
        """Stop, and release the user."""

    def is_closed(self) -> bool:
        """Whether it has ended, or was stopped, and needs its user no more."""
        return self._is_closed

    def is_abandoned(self) -> bool:
        """Whether nobody reads on. Asked by a thread that wants the user, so that one does not read."""
        if self._reader is threading.current_thread() or not self._reader.is_alive():
            return True
        return not self._is_being_read and time.monotonic() - self._last_read > ABANDONED_AFTER

    def overtake(self) -> None:
        """Stop because somebody else wants the user. Whoever reads on after all is told so."""
        self._overtaken = not self._is_closed
        self.close()

    def hold(self) -> bool:
        """Hold the user from now on. Return False if it was closed before."""
        with self._closing:
            if self._is_closed:
                return False
            self._end_of_hold.acquire()
            self.holds = True
            return True

    def release(self) -> None:
        """Let the next one hold the user."""
        if self.holds:
            self.holds = False
            self._end_of_hold.release()

    def wait_for_release(self, seconds: float) -> None:
        """Wait until it has released its user, or so long."""
        if self._end_of_hold.acquire(timeout=seconds):
            self._end_of_hold.release()


class HeldStream(Holder):
    """A holder that is read piece by piece: an iterator, which lets go of its user however it ends."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        try:
            return self._read_on()
        except BaseException:  # a Ctrl-C that came while the piece was made
            self.close()
            raise

    def __del__(self) -> None:
        when_nobody_would_hear_it(self.close)

    @abstractmethod
    def _read_on(self) -> str:
        """Return the next piece, and note meanwhile that it is being read. Raise StopIteration at the end."""


class OneAtATime:
    """Who holds each user. One that has vanished without a word holds nobody."""

    def __init__(self) -> None:
        self._holders: dict[str, weakref.ref[Holder]] = {}
        self._changing = threading.Lock()

    def acquire(self, user_id: str, holder: Holder) -> bool:
        """Wait until the user is free, and let `holder` hold it. Return False if that was closed meanwhile.

        A holder that was abandoned is overtaken rather than waited for.
        """
        while not holder.is_closed():
            with self._changing:
                present = self._holders.get(user_id, lambda: None)()
                if present is None or not present.holds:
                    self._holders[user_id] = weakref.ref(holder)
                    return holder.hold()
            if present.is_abandoned():
                present.overtake()
            else:
                present.wait_for_release(_LOOK_AGAIN)
            hear_ctrl_c()
        return False

    @contextmanager
    def held(self, user_id: str) -> Iterator[None]:
        """Hold the user for a moment, without a reply."""
        moment = _Moment()
        self.acquire(user_id, moment)
        try:
            yield
        finally:
            moment.release()


class _Moment(Holder):
    """Holds a user while a block of code runs."""

    def is_abandoned(self) -> bool:
        return False

    def close(self) -> None:
        """It ends by itself."""


# Ctrl-C. Python raises KeyboardInterrupt between any two steps of the main thread: after an NPC has
# remembered a line and before the talk has it, say. So what belongs together is `uninterrupted`: a Ctrl-C in
# it is noted, and raised at its end. Inside, a Ctrl-C is heard in three places only:
#
#     hear_ctrl_c()                           here, where nothing is half done: in each loop that waits
#     interruptible(learners_function)        anywhere in this function, which may take long
#     until_kept(factorys_function)           anywhere in it, until an NPC has remembered a turn
#
# Where Ctrl-C fell is read off the stack, and kept in no variable: between a change of such a variable and
# what it stands for, a Ctrl-C could fall, too.


def uninterrupted(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a Ctrl-C wait until this function has returned. In other threads than the main one, none comes."""

    @functools.wraps(function)
    def to_its_end(*args: Parameters.args, **options: Parameters.kwargs) -> Result:
        if threading.current_thread() is not threading.main_thread():
            return function(*args, **options)
        if (outer := _CtrlC.noted_by) is not None:
            try:
                return function(*args, **options)
            finally:
                if outer.has_come and outer.may_be_raised_in(sys._getframe(1)):
                    outer.strike()
        usual = signal.getsignal(signal.SIGINT)
        if not callable(usual):  # it is ignored, or ends the process
            return function(*args, **options)
        ctrl_c = _CtrlC(usual)
        signal.signal(signal.SIGINT, ctrl_c)
        try:
            _CtrlC.noted_by = ctrl_c
            return function(*args, **options)
        finally:
            _CtrlC.noted_by = None
            signal.signal(signal.SIGINT, usual)
            if ctrl_c.has_come:
                ctrl_c.strike()

    return to_its_end


def interruptible(function: Callable[Parameters, Result], *args: Any, **options: Any) -> Result:
    """Call the function, in which a Ctrl-C is heard although what calls it is `uninterrupted`."""
    return function(*args, **options)


def until_kept(function: Callable[Parameters, Result], *args: Any, **options: Any) -> Result:
    """The same, until a turn was remembered in it: from then on, whoever calls it is to record the turn."""
    hear_ctrl_c()
    return _until_kept(_CtrlC.turns_kept, function, args, options)


def _until_kept(turns_before: int, function: Callable[..., Result], args: Any, options: Any) -> Result:
    return function(*args, **options)


def note_that_it_is_kept() -> None:
    """Say that a turn is remembered, and in the file, from here on."""
    if threading.current_thread() is threading.main_thread():
        _CtrlC.turns_kept += 1


def hear_ctrl_c() -> None:
    """Raise the Ctrl-C that has come, if one has."""
    ctrl_c = _CtrlC.noted_by
    if ctrl_c and ctrl_c.has_come and threading.current_thread() is threading.main_thread():
        ctrl_c.strike()


def when_nobody_would_hear_it(function: Callable[[], object]) -> None:
    """Call the function from a `__del__`, which can raise nothing. A Ctrl-C in it comes right afterwards."""
    try:
        function()
    except KeyboardInterrupt:
        _thread.start_new_thread(signal.raise_signal, (signal.SIGINT,))


class _CtrlC:
    """Takes the place of the usual handler of SIGINT while something `uninterrupted` runs."""

    noted_by: ClassVar[Optional["_CtrlC"]] = None  # the one in place now
    turns_kept: ClassVar[int] = 0  # remembered in the main thread so far

    def __init__(self, usual: Callable[[int, FrameType | None], Any]):
        self._usual = usual
        self.has_come = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.may_be_raised_in(frame):
            self._usual(number, frame)
        else:
            self.has_come = True

    def strike(self) -> None:
        """Do now what Ctrl-C usually does."""
        self.has_come = False
        self._usual(signal.SIGINT, sys._getframe(1))

    def may_be_raised_in(self, frame: FrameType | None) -> bool:
        """Whether the innermost of our functions around this frame is one that may be interrupted."""
        inside = False  # of one of those two, not on its own edge
        while frame is not None:
            if frame.f_code is _UNINTERRUPTED:
                return False
            if frame.f_code is interruptible.__code__ and inside:
                return True
            if frame.f_code is _until_kept.__code__ and inside:
                return bool(frame.f_locals["turns_before"] == _CtrlC.turns_kept)
            inside, frame = True, frame.f_back
        return True


_UNINTERRUPTED = uninterrupted(lambda: None).__code__
