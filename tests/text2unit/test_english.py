"""English text to units: what is read aloud as which words, and a model that learns its letters."""

import json
from pathlib import Path

import numpy as np
import pytest

from avcore.data.manifest import Entry, read_manifest, write_manifest
from avcore.errors import InputError, LanguageError
from avcore.units import edit_distance
from tests.refusal import refused
from tests.text2unit.runs import export
from text2unit.english import cardinal, read_english
from text2unit.inference import main as inference
from text2unit.script import script_of
from text2unit.text_to_units import TextToUnits
from text2unit.train import main
from unit2unit.training.prepare_pairs import main as prepare_pairs


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
        ("$3.5M, €2bn and £450k", "three point five million dollars, two billion euros and four hundred fifty thousand pounds"),
        ("10⁹, x² and 5'10\" tall", "ten to the power of nine, x squared and five feet ten inches tall"),
        ("Really?! Well-known ...", "really? well known."),
        ("x >= 3, n ≠ 0 ⇒ \u22125", "x greater than or equal to three, n not equal to zero, therefore minus five"),
        ("up 20%↑, 1.5e-3, 10 \u2215 2, File > Open", "up twenty percent up, one point five times ten to the power of minus three, "
         "ten divided by two, file open"),
    ],
)  # fmt: skip
def test_text_is_read_in_words(text: str, said: str) -> None:
    assert read_english(text).text == said


def test_numbers() -> None:
    numbers = (0, 13, 40, 101, 10**6 + 1, 10**15)
    said = ("zero", "thirteen", "forty", "one hundred one", "one million one", "one" + 15 * " zero")
    assert tuple(map(cardinal, numbers)) == said


def test_what_is_no_english_is_refused_and_long_english_is_cut() -> None:
    refused(InputError, r"not English.*가", read_english, "가 said")
    refused(InputError, "nothing to say", read_english, "...")
    refused(InputError, r"U\+FFFD REPLACEMENT CHARACTER\) at letter 2 of line 2", read_english, "all\na\ufffdb")
    refused(LanguageError, "expected ko, en", script_of, "bonjour", "fr")
    sentences = script_of("One two. " + "many words, " * 100, "en").sentences
    assert sentences[0] == "one two."
    assert len(sentences) > 2
    assert " ".join(sentences[1:]).count("many words,") == 100


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small run: each letter is a unit of its own. m.jsonl: 120 sentences, t.safetensors: the model."""
    folder = tmp_path_factory.mktemp("english")
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list("abcdefgh"), size=4)) for _ in range(40)]
    texts = [" ".join(random.choice(words, size=4)) for _ in range(120)]
    write_manifest(folder / "m.jsonl", [Entry(f"s{n}", language="en", text=f"{one}.") for n, one in enumerate(texts)])
    rows = [f'{{"id": "s{n}", "units": {_units(one)}, "durations": {[2] * len(_units(one))}}}\n' for n, one in enumerate(texts)]
    (folder / "u.jsonl").write_text("".join(rows))
    data = [f"data.train={folder / 'm.jsonl'}", f"data.units={folder / 'u.jsonl'}", "data.language=en", "data.trim=''"]
    assert main(["--config-name", "text2unit/train_debug", *data, f"run_dir={folder / 'run'}", "--quiet"]) == 0
    assert export(folder / "run", folder / "t.safetensors", "--quiet") == 0
    return folder


def test_a_model_learns_to_say_english(english: Path) -> None:
    """What it says of a new sentence is nearly right."""
    text_to_unit = TextToUnits.from_checkpoint(english / "t.safetensors")
    assert text_to_unit.languages == ("en",)
    words = " ".join(entry.text.split()[0] for entry in read_manifest(english / "m.jsonl").entries[:4])
    right = np.array(_units(words))
    assert edit_distance(text_to_unit.units_of(words, "en").ids, right) <= 0.25 * len(right)
    refused(LanguageError, "", text_to_unit.units_of, "안녕", "ko")


def test_text_pairs_become_unit_pairs(
    english: Path, text_to_unit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of sentences in both languages, by the models of both; what cannot be said is named."""
    sentences = [entry.text for entry in read_manifest(english / "m.jsonl").entries[:8]]
    both = {"en": [*sentences, "안녕"], "ko": [*(f"가나 {'다' * number}." for number in range(1, 9)), "안녕"]}
    for language, texts in both.items():
        write_manifest(tmp_path / f"{language}.jsonl", [Entry(f"s{n}", language=language, text=one) for n, one in enumerate(texts)])
        model = english / "t.safetensors" if language == "en" else text_to_unit
        given = ["--manifest", str(tmp_path / f"{language}.jsonl"), "--lang", language, "--text2unit-path", str(model)]
        code = inference([*given, "--out-unit-path", str(tmp_path / f"{language}_units.jsonl"), "--cpu"])
        assert code == (1 if language == "en" else 0)
    assert "1 text that cannot be said, left out: s8 (the text has letters that are not English)" in capsys.readouterr().err
    sides = ["--source", str(tmp_path / "en_units.jsonl"), "--target", str(tmp_path / "ko_units.jsonl")]
    assert prepare_pairs([*sides, "--out", str(tmp_path / "pairs"), "--valid", "1", "--test", "1", "--max-ratio", "0"]) == 0
    splits = json.loads((tmp_path / "pairs" / "data.json").read_text())["splits"]
    assert sum(one["pairs"] for one in splits.values()) == 8
    assert inference(["hello", *given, "--out-unit-path", str(tmp_path / "x.txt")]) == 2


def _units(text: str) -> list[int]:
    """A unit for each letter, repeats merged."""
    numbers = [ord(letter) - ord("a") + 1 for letter in text if letter != " "]
    return [one for place, one in enumerate(numbers) if not place or numbers[place - 1] != one]
