"""Work in chunks on several processes; a chunk that is done is never done again."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from avcore.progress import Progress
from avcore.runs.rows import iter_rows, write_rows
from avcore.units.vocabulary import fingerprint

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

    do: a function of a module, called with `folder` and a chunk of jobs; in other processes, unless `workers` is 0. Rows of
    a chunk are kept in folder/parts under a name made of its jobs, so a run that was stopped goes on where it was.
    """
    chunks = [jobs[start : start + _CHUNK] for start in range(0, len(jobs), _CHUNK)]
    parts = [part_path(folder, name, number, chunk) for number, chunk in enumerate(chunks)]
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    with _pool(workers) as pool:
        waiting = [
            None if part.is_file() else pool.submit(_do_chunk, do, folder, chunk, part)
            for chunk, part in zip(chunks, parts, strict=True)
        ]
        for number, (part, result) in enumerate(zip(parts, waiting, strict=True), 1):
            if result is not None:
                result.result()
            progress(name, number, len(parts))
            yield from (row for _, row in iter_rows(part))


def part_path(folder: Path, name: str, number: int, chunk: Sequence[object]) -> Path:
    """Where the rows of a chunk of jobs are kept."""
    content = fingerprint(repr(chunk).encode()).removeprefix("sha256:")
    return folder / "parts" / f"{name}_{number:04d}_{content}.jsonl"


def _pool(workers: int) -> Executor:
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) if workers else _Here()


class _Here(Executor):
    """Does what it is given at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def _do_chunk(do: Callable[[Path, Sequence[Job]], Iterable[Row]], folder: Path, chunk: Sequence[Job], part: Path) -> None:
    write_rows(part, do(folder, chunk))
