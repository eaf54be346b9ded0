"""Work in chunks on several processes; a chunk that is done is never done again."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from avcore.journal import iter_rows, write_rows
from avcore.pool import PoolTask, ProcessPool, result_of
from avcore.progress import Progress
from avcore.units import fingerprint

Job = TypeVar("Job")
Row = Mapping[str, Any]

_CHUNK = 50


def run_in_chunks(
    jobs: Sequence[Job],
    do: Callable[[Path, Sequence[Job]], Iterable[Row]],
    folder: Path,
    name: str,
    workers: int,
    progress: Progress,
) -> Iterator[dict[str, Any]]:
    """Do jobs and yield the rows that they give, in order.

    do: a function of a module, called with `folder` and a chunk of jobs; in other processes if there are several `workers`.
    Rows of a chunk are kept in folder/parts under a name made of its jobs, so a run that was stopped goes on where it was.
    """
    chunks = [jobs[start : start + _CHUNK] for start in range(0, len(jobs), _CHUNK)]
    parts = {part_path(folder, name, number, chunk): chunk for number, chunk in enumerate(chunks)}
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    tasks = [(part.name, PoolTask.of((chunk, part))) for part, chunk in parts.items() if not part.is_file()]
    with ProcessPool[tuple[Sequence[Job], Path], str](_Chunks[Job], (do, folder), workers) as pool:
        for number, outcome in enumerate(pool.run(tasks), len(parts) - len(tasks) + 1):
            result_of(outcome)
            progress(name, number, len(parts))
    for part in parts:
        yield from (row for _, row in iter_rows(part))


def part_path(folder: Path, name: str, number: int, chunk: Sequence[object]) -> Path:
    """Return where the rows of a chunk of jobs are kept."""
    content = fingerprint(repr(chunk).encode()).removeprefix("sha256:")
    return folder / "parts" / f"{name}_{number:04d}_{content}.jsonl"


class _Chunks(Generic[Job]):
    """Does chunks in a process of the pool."""

    def __init__(self, do: Callable[[Path, Sequence[Job]], Iterable[Row]], folder: Path) -> None:
        self._do, self._folder = do, folder

    def process(self, chunks: tuple[tuple[Sequence[Job], Path]]) -> None:
        """Do a chunk and keep its rows."""
        ((jobs, part),) = chunks
        write_rows(part, self._do(self._folder, jobs))
