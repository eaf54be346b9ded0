"""The picture of a live dub, which waits until the dub of what is seen is known."""

from collections import deque
from collections.abc import Iterator
from typing import Any


class Picture:
    """Frames that wait."""

    def __init__(self) -> None:
        self._frames = deque[tuple[Any, float]]()
        self.shown = 0
        """frames that were written"""

    def see(self, frame: Any, time_s: float) -> None:
        """Add the next frame (`av.VideoFrame`), of a time of the output (s)."""
        self._frames.append((frame, time_s))

    def take(self, until_s: float) -> Iterator[tuple[Any, float]]:
        """Yield the frames up to a time of the output (s), each with its own."""
        while self._frames and self._frames[0][1] <= until_s:
            self.shown += 1
            yield self._frames.popleft()

    @property
    def is_empty(self) -> bool:
        """Whether no frame waits."""
        return not self._frames

    def summary(self) -> str:
        """Return in words what was shown."""
        return f"{self.shown} frames"
