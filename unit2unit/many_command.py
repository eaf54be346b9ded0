"""`netflips translate` on several unit files, folders and tables: one load of the model, a file for each or a table of all."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from avcore.command import EXIT_FAILED, LOG
from avcore.errors import InputError, NetflipsError, UnitError, UsageError
from avcore.files import require_place
from avcore.outputs import keep_apart
from avcore.progress import Progress
from avcore.runs.journal import write_rows
from avcore.units.files import write_unit_file
from avdata.unit_store import UnitRow
from unit2unit.many import Given, iter_given, translate_many

if TYPE_CHECKING:
    from avcore.decoding.settings import SearchConfig
    from unit2unit.translator import Translation, UnitTranslator

_TABLE = ".jsonl"
_LONGEST_NAME = 200
"""Of an output in characters; file systems take 255 bytes."""


class ManyOutputs:
    """Where many translations go: `out_dir`/<id>.txt, or the table `out_path`. paths: what is read."""

    def __init__(self, paths: Sequence[Path], out_dir: Path | None, out_path: Path | None, translator: Path) -> None:
        """Check everything that can be checked before the model is loaded.

        Raises UsageError for a place that cannot hold many, and InputError for ids that are there twice and for nothing to do.
        """
        if out_dir is None and (out_path is None or out_path.suffix != _TABLE):
            raise UsageError("many outputs need a folder or a table", expected=f"--out-dir DIR, or --out-unit-path FILE{_TABLE}",
                             found=out_path)  # fmt: skip
        self.paths, self.out_dir, self.out_path = paths, out_dir, out_path
        self.failed, self.cut, self.done = 0, 0, 0
        ids = self._ids()
        self.total = len(ids)
        outputs = [out_path] if out_dir is None else [place for one in ids if (place := self._place(one)) is not None]
        keep_apart({"an output": [one for one in outputs if one]}, {"an input": list(paths), "the translator": translator})
        require_place(out_path if out_dir is None and out_path else (out_dir or Path()) / "any.txt", "the output")

    def _ids(self) -> list[str]:
        places: dict[str, str] = {}
        for one in iter_given(self.paths):
            if one.id in places:
                raise InputError(f"the id {one.id!r} is there twice", path=one.place, found=f"first {places[one.id]}")
            places[one.id] = one.place
        if not places:
            raise InputError("there is nothing to translate", path=self.paths[0])
        return list(places)

    def _place(self, name: str) -> Path | None:
        """The output of an id in the folder; None for an id that leads out of it or that no file can be called."""
        parts = PurePosixPath(name).parts
        if (
            not name.isprintable()
            or len(name) > _LONGEST_NAME
            or not parts
            or parts[0] == "/"
            or ".." in parts
            or self.out_dir is None
        ):
            return None
        return self.out_dir / f"{name}.txt"

    def write(
        self, translator: "UnitTranslator", languages: tuple[str, str], search: "SearchConfig", progress: Progress
    ) -> int | None:
        """Translate and write; what fails is named, and makes the exit code 1."""
        found = translate_many(translator, iter_given(self.paths), *languages, search, progress, self.total)
        if self.out_dir is None and self.out_path is not None:
            write_rows(self.out_path, self._rows(found))
        else:
            for one, translation in self._good(found):
                place = self._place(one.id)
                if place is None:
                    self._fail(one, UnitError("no file can be called after this id", found=repr(one.id[:60])))
                else:
                    write_unit_file(place, translation.units.ids)
                    self.done += 1
        where = self.out_path if self.out_dir is None else self.out_dir
        LOG.info("%s: %d of %d translated%s", where, self.done, self.total, f"; {self.failed} failed" if self.failed else "")
        if self.cut:
            LOG.warning("%d translations were stopped at the search's limit; --max-target-units raises it", self.cut)
        return EXIT_FAILED if self.failed else None

    def _rows(self, found: Iterator[Any]) -> Iterator[dict[str, Any]]:
        for one, translation in self._good(found):
            self.done += 1
            yield UnitRow(one.id, translation.units, {"score": round(translation.score, 4)}).to_row()

    def _good(self, found: Iterator[Any]) -> Iterator[tuple[Given, "Translation"]]:
        for one, translation in found:
            if isinstance(translation, NetflipsError):
                self._fail(one, translation)
            else:
                self.cut += translation.truncated
                yield one, translation

    def _fail(self, one: Given, error: NetflipsError) -> None:
        self.failed += 1
        told = str(error)
        LOG.error("%s", told if one.place in told else f"{one.place}: {told}")
