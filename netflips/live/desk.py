"""Where turns wait to be dubbed, one after another, in a thread; on a virtual clock, when the work of before is done.

Turns that wait together are dubbed as one: a recognizer takes as long for both, and a translator is asked once.
"""

import logging
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

from netflips.live.clock import Clock, VirtualClock
from netflips.live.steps import Spoken
from netflips.live.turns import Turn

LOG = logging.getLogger("netflips")
_JOINED_S = 12.0
"""Longest turn that is made of several."""
_MOST = 20
"""Turns that wait; beyond, the oldest stays in the original, and is told."""


class Desk:
    """Dubs turns in order."""

    def __init__(self, dub: Callable[[Turn], Spoken | None], clock: Clock) -> None:
        self._dub, self._clock = dub, clock
        self._waiting, self._done = deque[Turn](), deque[Spoken]()
        self._changed, self._is_busy, self._is_closed = Condition(), False, False
        self._error: BaseException | None = None
        if not isinstance(clock, VirtualClock):
            Thread(target=self._run, daemon=True).start()

    def submit(self, turn: Turn) -> None:
        """Have a turn dubbed."""
        with self._changed:
            self._waiting.append(turn)
            if len(self._waiting) > _MOST:
                late = self._waiting.popleft()
                LOG.warning("too far behind: what is said from %.1f to %.1f s is not dubbed", late.start_s, late.end_s)
            self._changed.notify()

    def take(self) -> list[Spoken]:
        """Return what was done since. Raises what went wrong."""
        if isinstance(self._clock, VirtualClock):
            while self._waiting and self._clock.free_s <= self._clock.now():
                turn = self._next()
                with self._clock.working():
                    spoken = self._dub(turn)
                self._done.extend([] if spoken is None else [spoken])
        if self._error is not None:
            raise self._error
        found = list[Spoken]()
        while self._done:
            found.append(self._done.popleft())
        return found

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do, nor to be raised."""
        with self._changed:
            return not (self._waiting or self._is_busy or self._done or self._error)

    def close(self) -> None:
        """Stop behind the turn that is dubbed now."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _next(self) -> Turn:
        turn = self._waiting.popleft()
        while self._waiting and self._waiting[0].end_s - turn.start_s <= _JOINED_S:
            turn = turn.joined(self._waiting.popleft())
        return turn

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                turn, self._is_busy = self._next(), True
            try:
                spoken = self._dub(turn)
                self._done.extend([] if spoken is None else [spoken])
            except BaseException as error:  # raised again where it is taken
                self._error = error
                return
            finally:
                self._is_busy = False
