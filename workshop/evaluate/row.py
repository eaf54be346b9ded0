"""What a row of the table is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from avcore.statistics import Figure
from workshop.evaluate.jobs import Need, Record
from workshop.evaluate.settings import EvaluationSettings

Records = Mapping[tuple[str, str], Sequence[Record]]
"""Records by kind and task, in the order of their numbers."""


@dataclass(frozen=True)
class ExamRow:
    """A row of the table.

    goal: None = it has none. is_least: whether figures should be above the goal, or below it. counted: on how many of its needs,
    from the first on, what could not be dubbed is counted. requires: what it cannot be measured without (see `lacking`).
    """

    name: str
    title: str
    needs: Callable[[EvaluationSettings], list[Need]]
    figure: Callable[[Records, EvaluationSettings], Figure | None]
    goal: float | None = None
    is_least: bool = True
    counted: int = 1
    requires: tuple[str, ...] = ()

    def meets_goal(self, figure: Figure) -> bool | None:
        """Whether the goal is reached; None without one."""
        if self.goal is None:
            return None
        return figure.value >= self.goal if self.is_least else figure.value <= self.goal
