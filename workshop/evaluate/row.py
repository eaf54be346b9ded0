"""What a row of the exam's table is: for what it asks, how its figure comes of the records, clip by clip, and its goal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from avcore.statistics import Figure
from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.metrics.figures import Better, Kind
from netflips.evaluate.suite_rows import RESULT, Cell, Row, reaches
from workshop.evaluate.jobs import ExamItem, ExamTask, Need, Record
from workshop.evaluate.settings import EvaluationSettings

Records = Mapping[tuple[str, str], Sequence[Record]]
"""Records by kind and name of the task, in the order of their numbers."""
Place = tuple[str, ExamTask]
"""A kind, and a task on it."""
Number = Callable[[EvaluationSettings], int]
"""How many items a row asks for."""
CHARACTERS, WORDS = ("errors", "length"), ("word_errors", "words")
"""Fields of a rate: errors, and what they are counted over."""


def all_of(settings: EvaluationSettings) -> int:
    """As many as are asked for."""
    return settings.number


def some_of(settings: EvaluationSettings) -> int:
    """As many as are asked for, up to the number that rows beside dubbing take at most."""
    return min(settings.number, settings.condition_number)


@dataclass(frozen=True)
class ExamRow:
    """A row of the table.

    by_clip: its figure clip by clip; without values there is none. better: which figure is; "near": neither, as of a baseline and
    of what a measure itself gives. goal: None = it has none. counted: on how many of its needs, from the first on, what could not
    be dubbed is counted. requires: what it cannot be measured without (see `lacking`).
    """

    name: str
    title: str
    needs: Callable[[EvaluationSettings], list[Need]]
    by_clip: Callable[[Records, EvaluationSettings], ByClip]
    goal: float | None = None
    better: Better = "higher"
    counted: int = 1
    requires: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What its figure is."""
        return Kind(self.title, "", self.better, "", "")

    def figure(self, records: Records, settings: EvaluationSettings) -> Figure | None:
        """Its figure with the 95 % interval; None where there are no records of it."""
        return self.by_clip(records, settings).figure

    def meets_goal(self, figure: Figure) -> bool | None:
        """Whether the goal is reached; None without one."""
        return reaches(figure, self.goal, self.better)

    def counts(self, records: Records, settings: EvaluationSettings) -> list[tuple[str, Record]]:
        """The records in which what could not be dubbed is counted, with the ids of their items."""
        return [
            (id_of(need.kind, one), one)
            for need in self.needs(settings)[: self.counted]
            for one in found_of(records, (need.kind, need.task))
        ]

    def filled(self, records: Records, settings: EvaluationSettings) -> Row | None:
        """The row with its figure; None where there are no records of it."""
        by_clip = self.by_clip(records, settings)
        if by_clip.figure is None:
            return None
        counted = self.counts(records, settings)
        tried = dict.fromkeys((*(name for name, _ in counted), *by_clip.values))
        cell = Cell(by_clip.figure, sum("failed" in one for _, one in counted), {}, by_clip.values, tuple(tried))
        return Row(self.name, self.name, self.kind, {RESULT: cell}, goal=self.goal)

    def absent(self, reason: str) -> Row:
        """The row without a figure, and why."""
        return Row(self.name, self.name, self.kind, {RESULT: Cell(None, 0, {reason: 1})}, goal=self.goal)


def found_of(records: Records, place: Place) -> Sequence[Record]:
    """The records of a task on a kind."""
    kind, task = place
    return records.get((kind, task.name), ())


def id_of(kind: str, record: Record) -> str:
    """The id of what a record is of."""
    return ExamItem(kind, int(record["index"])).id


def asks_for(*places: Place, number: Number = all_of) -> Callable[[EvaluationSettings], list[Need]]:
    """Tasks on kinds, on as many items each."""
    return lambda settings: [Need(kind, task, number(settings)) for kind, task in places]


def flags(records: Records, place: Place, field: str) -> ByClip:
    """What is right or wrong of each item."""
    values = {id_of(place[0], one): float(bool(one.get(field))) for one in found_of(records, place)}
    return ByClip(values, is_share=True)


def values_by_id(records: Records, place: Place, field: str) -> dict[str, float]:
    """What was measured of each item of which it could be."""
    return {id_of(place[0], one): float(one[field]) for one in found_of(records, place) if field in one}


def rates(records: Records, place: Place, fields: tuple[str, str], is_lost_wrong: bool) -> ByClip:
    """Errors over lengths. is_lost_wrong: an item of which nothing could be read is wrong as a whole, as long as the others are."""
    errors, length = fields
    found = found_of(records, place)
    read = [one for one in found if errors in one]
    if not read:
        return ByClip({})
    usual = round(sum(int(one[length]) for one in read) / len(read))
    sums = {id_of(place[0], one): (float(one[errors]), float(one[length])) for one in read}
    if is_lost_wrong:
        lost = {id_of(place[0], one): (float(usual), float(usual)) for one in found if errors not in one}
        sums = {name: (sums | lost)[name] for name in (id_of(place[0], one) for one in found)}
    return ByClip({name: above / max(below, 1.0) for name, (above, below) in sums.items()}, sums)


def share_row(name: str, title: str, place: Place, field: str = "right", goal: float | None = None) -> ExamRow:
    """How many are right."""
    return ExamRow(name, title, asks_for(place), lambda records, _: flags(records, place, field), goal)


def mean_row(name: str, title: str, place: Place, field: str, goal: float | None = None, better: Better = "higher") -> ExamRow:
    """The mean of what was measured."""
    return ExamRow(name, title, asks_for(place), lambda records, _: ByClip(values_by_id(records, place, field)), goal, better)


def rate_row(
    name: str, title: str, place: Place, fields: tuple[str, str] = CHARACTERS, goal: float | None = None, is_lost_wrong: bool = True
) -> ExamRow:
    """Errors over lengths."""
    return ExamRow(name, title, asks_for(place), lambda records, _: rates(records, place, fields, is_lost_wrong), goal, "lower")


def beside_dubbing(row: ExamRow, place: Place, *requires: str) -> ExamRow:
    """The row on fewer items, and what it cannot be measured without."""
    return replace(row, needs=asks_for(place, number=some_of), requires=requires)
