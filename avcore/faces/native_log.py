"""Keep the chatter of native libraries off the terminal, and nothing else.

LiteRT's C++ writes a start-up note straight to file descriptor 2, which no Python logger stops. Lines that are known to say
nothing are dropped; every other line is passed on.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_CHATTER = re.compile(
    rb"INFO: Created TensorFlow Lite"
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|I\d{4} \d\d:"  # absl's information level
)
_STDERR = 2


@contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what is written to file descriptor 2 meanwhile; at the end pass on all lines but known chatter."""
    sys.stderr.flush()
    original = os.dup(_STDERR)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(original, _STDERR)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    os.write(original, line)
            os.close(original)
