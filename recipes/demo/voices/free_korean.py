"""Korean sentences beside the phrasebook: drawn from templates and lists (free_korean.yaml), so that `say` is no phrasebook only.

`free_held_out.txt` holds sentences of other kinds, which an evaluation alone says.
"""

import re
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from avcore.errors import InputError
from avcore.texts import parse_yaml
from text2unit.normalise import normalise

_SLOT = re.compile(r"\{(\w+)\}")
_NUMBERS = {
    "number": (1, 13), "minute": (2, 60), "few": (2, 11), "year": (1950, 2027), "month": (1, 13), "day": (1, 29),
    "three": (101, 990), "four": (1000, 10000),
}  # fmt: skip
"""Slots that are numbers: from, and below."""
_PRICES = 100, 990
_HUNDRED = 100
_TRIES = 20


def free_sentences(count: int, seed: int) -> list[str]:
    """Draw so many different sentences, as `normalise` writes them; the first few hundred of a longer list are a shorter one.

    Raises InputError where the templates do not give as many.
    """
    content, rng = _content(), np.random.default_rng([seed, 21])
    found = dict.fromkeys(map(normalise, content["sentences"]))
    for number in range(count * _TRIES):
        if len(found) >= count:
            return list(found)[:count]
        template = content["templates"][number % len(content["templates"])]
        found[normalise(_SLOT.sub(lambda slot: _filling(slot[1], rng), template))] = None
    raise InputError("there are fewer free sentences", expected=count, found=len(found))


def held_out_free() -> list[str]:
    """Sentences that training never hears."""
    return files(__package__).joinpath("free_held_out.txt").read_text(encoding="utf-8").splitlines()


def _filling(slot: str, rng: np.random.Generator) -> str:
    if slot == "price":
        return str(int(rng.integers(*_PRICES)) * _HUNDRED)
    if slot in _NUMBERS:
        return str(int(rng.integers(*_NUMBERS[slot])))
    words = _content()["slots"][slot]
    return str(words[int(rng.integers(len(words)))]).replace("_", " ")


@cache
def _content() -> Any:
    content: Any = parse_yaml(files(__package__).joinpath("free_korean.yaml").read_text(encoding="utf-8"))
    return content | {"slots": {name: words.split() for name, words in content["slots"].items()}}
