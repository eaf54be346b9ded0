"""Figures of other bundles, to stand below a bundle's own in the table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.errors import InputError, UsageError
from avcore.statistics import Figure
from avcore.texts import read_json
from netflips.evaluate.metrics.figures import Kind
from netflips.evaluate.suite_rows import RESULT, Cell, Row


@dataclass(frozen=True)
class OtherBundle:
    """What an evaluation found of another bundle. title: how the table calls it; content: of its metrics.json."""

    title: str
    content: dict[str, Any]

    @classmethod
    def read(cls, given: str) -> "OtherBundle":
        """Read TITLE=FILE, a metrics.json of an evaluation. Raises UsageError, or InputError for another file."""
        title, is_there, name = given.partition("=")
        if not (title and is_there and name):
            raise UsageError("say what the other bundle is and where its figures are", expected="TITLE=metrics.json", found=given)
        path = Path(name)
        content = read_json(path, "the other bundle's figures")
        try:
            rows = {row: _row(found) for row, found in content["rows"].items()}
            return cls(title, {"bundle": str(content["bundle"]), "rows": rows})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError("this is no metrics.json of an evaluation", path=path, found=repr(error)) from error

    def rows(self) -> list[Row]:
        """Its rows of the table, without goals: those are for the bundle that is measured."""
        return [self._row(name, row) for name, row in self.content["rows"].items()]

    def _row(self, name: str, row: dict[str, Any]) -> Row:
        figure = Figure(float(row["value"]), float(row.get("low", "nan")), float(row.get("high", "nan")), int(row["n"]))
        kind = Kind(f"{self.title}: {row['title']}", "", "near", "", "")
        return Row(f"{self.title}: {name}", f"{self.title}: {name}", kind, {RESULT: Cell(figure)})


def _row(found: dict[str, Any]) -> dict[str, Any]:
    kept = {name: found[name] for name in ("title", "value", "n")}
    return kept | {name: found[name] for name in ("low", "high") if name in found}
