"""A run of extraction that is killed in the middle of writing a line: `python -m tests.netflips.bulk.killed_run`."""

import os
import signal
import sys
from pathlib import Path

from avcore import journal
from avcore.data.manifest import read_manifest
from netflips.bulk.extraction import extract
from netflips.bulk.settings import ExtractModels, ExtractSettings
from netflips.bulk.spread import Spread

BATCH_S = 4.0
SHARD_SIZE = 12


def settings_for(out_dir: Path) -> ExtractSettings:
    """The same for the killed run and the one that goes on."""
    return ExtractSettings(out_dir, frozenset({"audio"}), shard_size=SHARD_SIZE, batch_s=BATCH_S)


def main(manifest: str, encoder: str, out_dir: str, fatal: str) -> None:
    """Run, and die of SIGKILL with half of the `fatal`-th piece written."""
    pieces, append = [0], journal.append

    def deadly_append(path: Path, rows: list, **settings: bool) -> None:
        append(path, rows, **settings)
        pieces[0] += 1
        if pieces[0] == int(fatal):
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size - 7)
            os.kill(os.getpid(), signal.SIGKILL)

    journal.append = deadly_append
    extract(read_manifest(manifest), settings_for(Path(out_dir)), ExtractModels(Path(encoder)), Spread(1, 2), is_quiet=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
