"""Finished shards: JSON lines or Parquet, one row an utterance, complete as soon as they have their name."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from avcore.errors import UsageError
from avcore.files import atomic_output
from avcore.manifest import iter_rows, write_rows
from netflips.batch.settings import Layout

Row = dict[str, Any]


class ShardFiles:
    """The shards of an output folder, by number. In the layout `files` they hold all but the units, in `index`."""

    def __init__(self, out_dir: Path, layout: Layout) -> None:
        self._is_parquet = layout == "parquet"
        self._suffix = "parquet" if self._is_parquet else "jsonl"
        self.folder = out_dir / ("index" if layout == "files" else "shards")

    def path(self, number: int) -> Path:
        """The file of a shard."""
        return self.folder / f"{number:05d}.{self._suffix}"

    def write(self, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a shard, whole or not at all."""
        if self._is_parquet:
            _write_parquet(self.path(number), rows)
        else:
            write_rows(self.path(number), rows)

    def read(self, number: int) -> Iterator[Row]:
        """The rows of a shard; none when there is no such file."""
        path = self.path(number)
        if not path.exists():
            return
        if self._is_parquet:
            yield from _read_parquet(path)
        else:
            yield from (row for _, row in iter_rows(path))


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
    with atomic_output(path) as temporary:
        parquet.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema), temporary)


def _read_parquet(path: Path) -> Iterator[Row]:
    from pyarrow import parquet

    for row in parquet.read_table(path).to_pylist():
        yield {name: value for name, value in row.items() if value is not None}
