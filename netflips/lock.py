"""One run at a time in an output folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avcore.errors import OutputError
from avcore.files import require_writable

_NAME = ".lock"


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made, for this run; the system lets it go however the run ends.

    Raises OutputError while another run holds it. File systems without locks are not guarded.
    """
    path = require_writable(folder / _NAME, "the output folder")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError("another run is writing into this folder", path=folder, hint="wait for it, or stop it") from error
        except OSError:
            pass  # no locks here
        yield
