"""Join videos that were encoded piece by piece into one, without encoding their pictures again."""

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from avcore.errors import OutputError
from avcore.media.opening import open_media, require_video
from avcore.media.writer import VideoWriter

_MOST_AHEAD = 2
"""Pictures that x264 decodes before the one that is shown, at most: a B-frame that others refer to, and what it refers to."""


class VideoJoiner(VideoWriter):
    """Writes pictures that `VideoWriter` encoded before, and sound as `VideoWriter` does.

    Takes the arguments of `VideoWriter`; size, rate and quality must be those that the pieces were written with. Sound
    and pictures end where they end: nothing is made up.
    """

    def __init__(self, *arguments: Any, first_piece: Path, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._first_piece = first_piece
        self._shown: deque[int] = deque()
        self._num_ahead = _MOST_AHEAD

    def write_piece(self, path: Path, times: Sequence[Fraction]) -> None:
        """Append the pictures of a piece. times: when each is shown (s), in order, all after those of the piece before.

        Raises OutputError when the piece does not hold as many pictures.
        """
        ticks = self._ticks(times)
        with open_media(path) as container:
            packets = [packet for packet in container.demux(require_video(container, path)) if packet.size]
        if len(packets) != len(ticks):
            raise OutputError(
                "a piece of the picture is damaged",
                path=path,
                expected=f"{len(ticks)} pictures",
                found=len(packets),
                hint="delete it and run again",
            )
        ranks = np.argsort(np.argsort([packet.pts for packet in packets], kind="stable"))
        self._shown.extend(ticks)
        for packet, rank in zip(packets, ranks.tolist(), strict=True):
            packet.stream, packet.time_base = self._video, self._tick
            packet.pts, packet.dts, packet.duration = ticks[rank], self._next_dts(), self._picture_ticks
            self._mux([packet])
        self._picture_end = (ticks[-1] + self._picture_ticks) * self._tick

    @property
    def _picture_ticks(self) -> int:
        return round(1 / self.frame_rate / self._tick)

    def _ticks(self, times: Sequence[Fraction]) -> list[int]:
        ticks = []
        for time in times:
            self._last_pts = max(round(time / self._tick), self._last_pts + 1)
            ticks.append(self._last_pts)
        return ticks

    def _next_dts(self) -> int:
        """When the next packet must be decoded: as many pictures ahead of the shown order as the coder may go."""
        if self._num_ahead:
            self._num_ahead -= 1
            return self._shown[0] - (self._num_ahead + 1) * self._picture_ticks
        return self._shown.popleft()

    def _add_pictures(self, container: Any) -> None:
        with open_media(self._first_piece) as piece:
            self._video = container.add_stream_from_template(require_video(piece, self._first_piece))
        self._video.time_base = self._tick

    def _finish(self) -> None:
        if self._picture_end == 0:
            raise OutputError("there is no picture to write", path=self.path)
        if self.audio_rate is not None:
            self._end_sound()
