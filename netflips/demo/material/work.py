"""Work in chunks on several processes; a chunk that is done is never done again."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from avcore.manifest import iter_rows, write_rows
from avcore.progress import Progress

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

    do: a function of a module, called in another process with `folder` and a chunk of jobs. Rows of a chunk are kept in
    folder/parts, so a run that was stopped goes on where it was; the same jobs must be asked for again.
    """
    chunks = [jobs[start : start + _CHUNK] for start in range(0, len(jobs), _CHUNK)]
    parts = [folder / "parts" / f"{name}_{number:04d}.jsonl" for number in range(len(chunks))]
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        waiting = [
            None if part.is_file() else pool.submit(_do_chunk, do, folder, chunk, part)
            for chunk, part in zip(chunks, parts, strict=True)
        ]
        for number, (part, result) in enumerate(zip(parts, waiting, strict=True), 1):
            if result is not None:
                result.result()
            progress(name, number, len(parts))
            yield from (row for _, row in iter_rows(part))


def _do_chunk(do: Callable[[Path, Sequence[Job]], Iterable[Row]], folder: Path, chunk: Sequence[Job], part: Path) -> None:
    write_rows(part, do(folder, chunk))
