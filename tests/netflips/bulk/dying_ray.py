"""A run whose Ray is killed: `python -m tests.netflips.bulk.dying_ray FOLDER raylet|gcs_server loading|working` says its end."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from avcore.errors import NetflipsError
from avcore.pool import PoolSize, PoolTask
from netflips.bulk.session import ray_session
from tests.netflips.bulk.words import WordWorker, read_words


def kill_ray(name: str) -> None:
    """Kill one of the two processes that hold Ray together, a child of this one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program = (process / "cmdline").read_bytes().split(b"\0")[0]
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
        if program.endswith(name.encode()) and parent == os.getpid():
            os.kill(int(process.name), signal.SIGKILL)


class SlowWorker(WordWorker):
    """Takes long to load."""

    def load(self) -> str:
        time.sleep(600)
        return ""


def main(folder: str, name: str, when: str) -> None:
    """Kill Ray while the workers load, or when ten words are back."""
    with ray_session(2):
        from netflips.bulk.pool import RayPool

        worker = SlowWorker if when == "loading" else WordWorker
        with RayPool[str, int](worker, (Path(folder), 0.1), PoolSize(2, 2), read_words, (Path(folder),)) as pool:
            try:
                if when == "loading":
                    threading.Timer(3, kill_ray, [name]).start()
                pool.start()
                for done, _ in enumerate(pool.run((number, PoolTask.of(f"word{number}")) for number in range(2000)), 1):
                    if done == 10:
                        kill_ray(name)
            except NetflipsError as error:
                print(error)


if __name__ == "__main__":
    main(*sys.argv[1:])
