"""The tables of Korean readings (tables.yaml), typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from avcore.texts import parse_yaml


@dataclass(frozen=True)
class Tables:
    """What the rules look up; tables.yaml says what each is."""

    native: frozenset[str]
    sino: frozenset[str]
    sino_from: Mapping[str, int]
    names: frozenset[str]
    times_name_before: tuple[str, ...]
    times_name_behind: tuple[str, ...]
    reign_before: tuple[str, ...]
    machines: tuple[str, ...]
    people: tuple[str, ...]
    no_scale: tuple[str, ...]
    measures: Mapping[str, str]
    speeds: Mapping[str, tuple[str, str]]
    currencies: Mapping[str, str]
    cents: Mapping[str, str]
    weekdays: tuple[str, ...]
    letters: Mapping[str, str]
    greek: Mapping[str, str]
    words: Mapping[str, str]
    exact: Mapping[str, str]
    signs: Mapping[str, str]
    stops: str
    questions: str
    pauses: str
    quotes: str
    silent: str
    consonants: Mapping[str, str]
    laughs: Mapping[str, str]


@cache
def tables() -> Tables:
    """Read the tables that come with the package."""
    content: Any = parse_yaml(files(__package__).joinpath("tables.yaml").read_text(encoding="utf-8"))
    return Tables(
        native=frozenset(content["native"].split()),
        sino=frozenset(content["sino"].split()),
        sino_from=content["sino_from"],
        names=frozenset(content["names"]),
        times_name_before=tuple(content["번_before"]),
        times_name_behind=tuple(content["번_behind"]),
        reign_before=tuple(content["대_before"]),
        machines=tuple(content["machines"]),
        people=tuple(content["people"]),
        no_scale=tuple(content["no_scale"]),
        measures=content["measures"],
        speeds={unit: (before, behind) for unit, (before, behind) in content["speeds"].items()},
        currencies=content["currencies"],
        cents=content["cents"],
        weekdays=tuple(content["weekdays"]),
        letters={str(letter): name for letter, name in _plain(content["letters"]).items()},
        greek=content["greek"],
        words=_plain(content["words"]),
        exact=content["exact"],
        signs=content["signs"],
        stops=content["stops"],
        questions=content["questions"],
        pauses=content["pauses"],
        quotes=content["quotes"],
        silent=content["silent"],
        consonants=content["consonants"],
        laughs=content["laughs"],
    )


def _plain(mapping: Mapping[Any, str]) -> dict[str, str]:
    """A mapping with its keys as they are written: YAML 1.1 takes bare n, y, no and yes for truth values."""
    truths = [key for key in mapping if isinstance(key, bool)]
    if truths:
        raise ValueError(f"quote the keys that YAML takes for truth values: {truths}")
    return {str(key): value for key, value in mapping.items()}
