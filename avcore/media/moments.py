"""Single pictures of a video at given moments, in one reading."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from avcore.media.decoding import decode_from
from avcore.media.pictures import Picture, View
from avcore.timeline import Seconds, exact


def pictures_at(path: str | Path, times: Sequence[Seconds]) -> Iterator[Picture]:
    """Yield the picture on screen at each time (s, in order), at or after the last one the last picture.

    The video is decoded once, from the first of the times to the last; only the pictures that are asked for are turned
    into RGB, and one at a time is held. `index` counts the times. Raises as `read_pictures` does.
    """
    wanted = deque(enumerate(exact(time) for time in times))
    if not wanted:
        return
    frames = decode_from(path, wanted[0][1])
    shown = next(frames)
    view = View.of(shown)
    for frame in frames:
        while wanted and view.origin + wanted[0][1] < frame.clock:
            yield view.picture(shown, wanted.popleft()[0])
        if not wanted:
            return
        shown = frame
    for index, _ in wanted:
        yield view.picture(shown, index)
