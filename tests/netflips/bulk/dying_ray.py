"""A run whose Ray is killed: `python -m tests.netflips.bulk.dying_ray FOLDER` prints how it ends."""

import os
import signal
import sys
from pathlib import Path

from avcore.errors import NetflipsError
from avcore.pool import PoolSize, PoolTask
from netflips.bulk.session import ray_session
from tests.netflips.bulk.words import WordWorker, read_words


def kill_ray() -> None:
    """Kill the process of Ray that holds all others, a child of this one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program = (process / "cmdline").read_bytes().split(b"\0")[0]
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
        if program.endswith(b"raylet") and parent == os.getpid():
            os.kill(int(process.name), signal.SIGKILL)


def main(folder: str) -> None:
    """Kill Ray when ten words are back."""
    with ray_session(2):
        from netflips.bulk.pool import RayPool

        with RayPool[str, int](WordWorker, (Path(folder), 0.1), PoolSize(2, 2), read_words, (Path(folder),)) as pool:
            pool.start()
            try:
                for done, _ in enumerate(pool.run((number, PoolTask.of(f"word{number}")) for number in range(2000)), 1):
                    if done == 10:
                        kill_ray()
            except NetflipsError as error:
                print(error)


if __name__ == "__main__":
    main(*sys.argv[1:])
