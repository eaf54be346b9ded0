"""English text to units: what is read aloud as which words, and a model that learns its letters."""

from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, LanguageError
from avcore.units.edit_distance import edit_distance
from avdata.manifest import Entry, write_manifest
from tests.text2unit.runs import export
from text2unit.english import cardinal, read_english
from text2unit.script import script_of
from text2unit.speller import TextSpeller
from text2unit.train import main


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Dr. Smith paid $3.50 at 10:30!", "doctor smith paid three dollars fifty at ten thirty."),
        ("$1, £2.5 million and ₩1,000", "one dollar, two point five million pounds and one thousand won"),
        ("In 1984, the 21st: 2024 (50%).", "in nineteen eighty four, the twenty first, twenty twenty four fifty percent."),
        ("1,234,567 people", "one million two hundred thirty four thousand five hundred sixty seven people"),
        ("It's 'quoted'; e.g. 007 & -3.14", "it's quoted, for example zero zero seven and minus three point one four"),
        ("Café at 9:05 a.m., the 1990s", "cafe at nine oh five a m, the nineteen nineties"),
        ("At 10:00, on the 12th, 20th and 3rd", "at ten o'clock, on the twelfth, twentieth and third"),
        ("Really?! Well-known ...", "really? well known."),
    ],
)  # fmt: skip
def test_text_is_read_in_words(text: str, said: str) -> None:
    assert read_english(text).text == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (101, "one hundred one"),
        (10**6 + 1, "one million one"),
        (10**15, "one" + 15 * " zero"),
    ],
)
def test_numbers(number: int, said: str) -> None:
    assert cardinal(number) == said


def test_what_is_no_english_is_refused() -> None:
    with pytest.raises(InputError, match=r"not English.*가"):
        read_english("가 said")
    with pytest.raises(InputError, match="nothing to say"):
        read_english("...")
    with pytest.raises(LanguageError, match="expected ko, en"):
        script_of("bonjour", "fr")


def test_long_english_is_cut_between_words() -> None:
    sentences = script_of("One two. " + "many words, " * 100, "en").sentences
    assert sentences[0] == "one two."
    assert len(sentences) > 2
    assert " ".join(sentences[1:]).count("many words,") == 100


def test_a_model_learns_to_say_english(tmp_path: Path) -> None:
    """Each letter is a unit of its own: what it says of a new sentence is nearly right."""
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list("abcdefgh"), size=4)) for _ in range(40)]
    texts = [" ".join(random.choice(words, size=4)) for _ in range(120)]
    write_manifest(tmp_path / "m.jsonl", [Entry(f"s{n}", language="en", text=f"{one}.") for n, one in enumerate(texts)])
    rows = [f'{{"id": "s{n}", "units": {_units(one)}, "durations": {[2] * len(_units(one))}}}\n' for n, one in enumerate(texts)]
    (tmp_path / "u.jsonl").write_text("".join(rows))
    run = tmp_path / "run"
    data = [
        f"data.train={tmp_path / 'm.jsonl'}",
        f"data.units={tmp_path / 'u.jsonl'}",
        "data.language=en",
        "data.trim=''",
        f"run_dir={run}",
    ]
    assert main(["--config", "text2unit/train_debug", *data, "--quiet"]) == 0
    assert export(run, tmp_path / "t.safetensors", "--quiet") == 0
    speller = TextSpeller.from_checkpoint(tmp_path / "t.safetensors")
    assert speller.languages == ("en",)
    right = np.array(_units(" ".join(words[:4])))
    assert edit_distance(speller.units_of(" ".join(words[:4]), "en").ids, right) <= 0.25 * len(right)
    with pytest.raises(LanguageError):
        speller.units_of("안녕", "ko")


def _units(text: str) -> list[int]:
    """A unit for each letter, repeats merged."""
    numbers = [ord(letter) - ord("a") + 1 for letter in text if letter != " "]
    return [one for place, one in enumerate(numbers) if not place or numbers[place - 1] != one]
