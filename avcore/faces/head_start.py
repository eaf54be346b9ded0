"""Faces of a short video, followed by a process of its own while this one still loads its libraries.

A command that has just begun spends a second on importing torch, on one core; following faces needs none of it. The process
is started afresh, before this one has imported much, and hands over the same tracks that `follow_faces` gives here, as plain
arrays (`avcore.faces.handed_over`). Whatever goes wrong in it, or would have to be said to the user, it keeps to itself: the
faces are then looked for again, where errors and warnings are heard.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from avcore.suffixes import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from avcore.faces.find import FollowedFaces

_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from avcore.faces.handed_over import hand_over; hand_over(*sys.argv[2:])"
)


class HeadStart:
    """The process. video: a file; longer ones than `most_s` (s) are left alone. `close` ends it, wanted or not."""

    def __init__(self, video: Path, most_s: float) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if not _pays(video):
            return
        words = [json.dumps(sys.path), str(video), str(most_s)]
        # -P: what lies in the working directory is no module, unless it was one for this process, too.
        command = [sys.executable, "-P", "-c", _CODE, *words]
        quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, **quiet)  # type: ignore[call-overload]

    def followed(self) -> "FollowedFaces | None":
        """What `follow_faces` gives for the video, as soon as it is there; None = it has to be done here."""
        if self._process is None:
            return None
        content, _ = self._process.communicate()
        is_done = self._process.returncode == 0 and bool(content)
        self._process = None
        if not is_done:
            return None
        from avcore.faces.handed_over import unpacked

        return unpacked(content)

    def close(self) -> None:
        """End the process if nobody waited for it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pays(video: Path) -> bool:
    """Whether there is something to be done beside: a second core, and a second to wait for torch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    is_waiting = "torch" not in sys.modules and bool(sys.executable)
    return cores > 1 and is_waiting and video.suffix.lower() in VIDEO_SUFFIXES and video.is_file()
