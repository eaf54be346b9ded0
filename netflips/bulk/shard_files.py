"""Finished shards: JSON lines or Parquet, one row an utterance, complete as soon as they have their name."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from avcore.errors import UsageError
from avcore.files import atomic_output
from avcore.runs import journal
from avcore.runs.rows import iter_rows, put_rows
from netflips.bulk.settings import Layout

Row = dict[str, Any]


class ShardFiles:
    """The shards of an output folder, by number. In the layout `files` they hold all but the units, in `index`."""

    def __init__(self, out_dir: Path, layout: Layout) -> None:
        self._is_parquet = layout == "parquet"
        self.has_unit_files = layout == "files"
        self._suffix = "parquet" if self._is_parquet else "jsonl"
        self.folder = out_dir / ("index" if layout == "files" else "shards")

    def path(self, number: int) -> Path:
        """The file of a shard."""
        return self.folder / f"{number:05d}.{self._suffix}"

    def write(self, number: int, rows: Sequence[Mapping[str, Any]], see: Callable[[Path], None] | None = None) -> None:
        """Write a shard, whole or not at all; `see` is shown the file before it has its name."""
        with atomic_output(self.path(number)) as temporary:
            if self._is_parquet:
                _write_parquet(temporary, rows)
            else:
                put_rows(temporary, rows)
            if see is not None:
                see(temporary)

    def read(self, number: int) -> Iterator[Row]:
        """The rows of a shard; none when there is no such file, or all its utterances were set aside."""
        path = self.path(number)
        if not path.exists() or not path.stat().st_size:
            return
        if self._is_parquet:
            yield from _read_parquet(path)
        else:
            yield from (row for _, row in iter_rows(path))

    def read_whole_rows(self, number: int) -> tuple[list[Row], bool]:
        """What can be read of a shard's file, each row once, and whether that is all of it."""
        path = self.path(number)
        if path.is_symlink():
            return [], False
        try:
            rows = list(_read_parquet(path)) if self._is_parquet else list(journal.read(path, "id"))
            count = len(rows) if self._is_parquet else _num_lines(path)
        except Exception:  # whatever a damaged Parquet file makes its reader raise
            return [], False
        found = {row["id"]: row for row in rows}
        return list(found.values()), len(found) == count


def _num_lines(path: Path) -> int:
    """Lines of a file, a torn last one counted."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def require_parquet() -> None:
    """Raise UsageError when Parquet cannot be written."""
    try:
        import pyarrow.parquet  # noqa: F401 (only asked whether it is there)
    except ImportError as error:
        hint = "pip install 'pyarrow>=18,<26' (`make env` has it), or --layout jsonl"
        raise UsageError("Parquet needs pyarrow", found=error, hint=hint) from error


def _write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(
        [
            ("id", pa.string()),
            ("units", pa.list_(pa.int32())),
            ("durations", pa.list_(pa.int32())),
            ("language", pa.string()),
            ("vocabulary", pa.string()),
            ("speaker", pa.string()),
            ("speaker_embedding", pa.list_(pa.float32())),
            ("speaker_path", pa.string()),
            ("features", pa.string()),
            ("lips", pa.string()),
            ("boxes", pa.string()),
            ("frames", pa.int32()),
            ("warnings", pa.list_(pa.string())),
        ]
    )
    parquet.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema), path)


def _read_parquet(path: Path) -> Iterator[Row]:
    from pyarrow import parquet

    for row in parquet.read_table(path).to_pylist():
        yield {name: value for name, value in row.items() if value is not None}
