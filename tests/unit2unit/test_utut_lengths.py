"""Translations of three lengths: tags by the durations of pairs, and a search that tries all of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from avcore.data.published.utut import read_samples
from avcore.units import Units
from tests.unit2unit.phrasebook import train_here
from unit2unit.model import LENGTH_TAGS, TranslatorVocabulary
from unit2unit.training.corpus import read_length_tags
from unit2unit.training.items import UnitPairDataset
from unit2unit.training.noise import SpanNoise
from unit2unit.training.prepare_pairs import main as prepare_pairs
from unit2unit.translator import UnitTranslator
from unit2unit.utut_pretrain.prepare import main as prepare_tables

_FORMS = {"short": (1, 1), "even": (2, 2), "long": (3, 4)}
"""Units of a Korean word, and steps of each."""


def test_a_source_begins_with_the_length_of_its_translation() -> None:
    vocabulary = TranslatorVocabulary(10, ("en", "ko"))
    found = {length: vocabulary.source_tokens(np.array([3, 5]), "en", length).tolist() for length in LENGTH_TAGS}
    assert found == {"even": [0, 7, 9, 2, 14], "short": [2, 7, 9, 2, 14], "long": [3, 7, 9, 2, 14]}
    assert vocabulary.source_tokens(np.array([3, 5]), "en").tolist() == found["even"]


def _write(path: Path, language: str, rows: dict[str, list[int]]) -> None:
    lines = (json.dumps({"id": name, "units": " ".join(map(str, units)), "language": language}) for name, units in rows.items())
    path.write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences of two to four words, each with a short, an even and a long translation of the same words in reverse."""
    folder, random = tmp_path_factory.mktemp("lengths"), np.random.default_rng(0)
    words = random.permutation(40)[:30].reshape(10, 3)
    english, korean = dict[str, list[int]](), dict[str, list[int]]()
    for number in range(240):
        said = random.integers(0, 10, random.integers(2, 5))
        for form, (units, steps) in _FORMS.items():
            name = f"{number:04d}_{form}"
            english[name] = np.repeat(words[said, :2].reshape(-1), 2).tolist()
            korean[name] = np.repeat(words[said[::-1], :units].reshape(-1), steps).tolist()
    _write(folder / "en.jsonl", "en", english)
    _write(folder / "ko.jsonl", "ko", korean)
    given = ["--source", str(folder / "en.jsonl"), "--target", str(folder / "ko.jsonl"), "--num-units", "40", "--quiet"]
    given += ["--group", "^[0-9]+", "--valid", "20", "--test", "20", "--out", str(folder / "data")]
    assert prepare_pairs(given) == 0
    return folder / "data"


def test_tags_are_of_the_ratio_of_durations(data: Path) -> None:
    for split in ("train", "valid"):
        forms = [name.partition("_")[2] for name in (data / "text" / f"{split}.ids").read_text().split()]
        assert read_length_tags(data, split).tolist() == [LENGTH_TAGS[form] for form in forms]


def test_units_without_durations_are_refused_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for language in ("en", "ko"):
        _write(tmp_path / f"{language}.jsonl", language, {f"{n}": [n % 7, 8, n % 5, 9 + n % 3] for n in range(20)})
    given = ["--source", str(tmp_path / "en.jsonl"), "--target", str(tmp_path / "ko.jsonl"), "--num-units", "40", "--quiet"]
    assert prepare_pairs([*given, "--valid", "3", "--test", "3", "--out", str(tmp_path / "data")]) == 0
    assert _train(tmp_path / "data", tmp_path / "run", "check_only=true") == 2
    assert "nothing says how long these pairs are" in capsys.readouterr().err


def _tables(folder: Path, forms: dict[str, tuple[int, int]]) -> Path:
    """Tables to pre-train on, of sentences with translations of these units and steps."""
    for language in ("en", "ko"):
        said = {"en": (2, 2)} | forms if language == "en" else forms
        rows = {
            f"{form}_{n}": np.repeat([n % 7, 8, 9 + n % 3], said.get("en" if language == "en" else form, (2, 2))[1]).tolist()
            for n in range(12)
            for form in forms
        }
        _write(folder / f"{language}.jsonl", language, rows)
    given = [f"{language}={folder / language}.jsonl" for language in ("en", "ko")]
    numbers = ["--num-units", "40", "--valid", "6", "--denoise", "--quiet"]
    assert prepare_tables(["--units", *given, *numbers, "--out", str(folder / "data")]) == 0
    return folder / "data"


def test_pre_training_tags_its_sources_too(tmp_path: Path) -> None:
    samples, _ = read_samples(_tables(tmp_path, _FORMS), "train")
    vocabulary = TranslatorVocabulary(40, ("en", "ko"))
    tagged = UnitPairDataset(samples, vocabulary, SpanNoise(0.5, 3.0, 0.1, vocabulary.mask, vocabulary.num_rows), 1.0, 0, True)
    plain = UnitPairDataset(samples, vocabulary, None, 1.0, 0)
    for index, sample in enumerate(samples):
        form = Path(sample.source.path).stem.partition("_")[0] if sample.pair == "en/ko" else "even"
        item = tagged[index]
        if sample.pair != "ko/en":
            assert int(item["source"][0]) == LENGTH_TAGS[form]
        assert int(item["target"][0]) == int(plain[index]["source"][0]) == LENGTH_TAGS["even"]


def test_tables_without_lengths_are_refused_before_pre_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = _tables(tmp_path, {"once": (1, 1)})
    for table in data.rglob("*.tsv"):
        rows = [line.split("\t") for line in table.read_text().splitlines()]
        table.write_text("".join("\t".join(row[:4]) + "\n" for row in rows))
    settings = [f"data_dir={data}", f"run_dir={tmp_path / 'run'}", "fairseq.task.length_tags=true", "check_only=true"]
    assert train_here("pretrain", *settings, "fairseq.task.langs=[en,ko]") == 2
    assert "nothing says how long these pairs are" in capsys.readouterr().err


def _train(data: Path, run_dir: Path, *more: str) -> int:
    return train_here(
        "finetune",
        f"data_dir={data}",
        f"run_dir={run_dir}",
        "fairseq.task.length_tags=true",
        "fairseq.dataset.num_workers=0",
        *more,
    )


@pytest.mark.slow
def test_a_trained_translator_says_it_in_three_lengths(data: Path, tmp_path: Path) -> None:
    """Also where noise joins pairs; each length has a beam of its own, and the best of each comes with the best."""
    assert _train(data, tmp_path / "run", "fairseq.task.joined_pairs=0.1") == 0
    translator = UnitTranslator.from_checkpoint(tmp_path / "run" / "checkpoints" / "checkpoint_best.pt")
    assert translator.lengths == ("even", "short", "long")
    names = (data / "text" / "test.ids").read_text().split()
    sources = {
        name.partition("_")[0]: Units(np.array(line.split(), np.int64))
        for name, line in zip(names, (data / "text" / "test.en").read_text().splitlines(), strict=True)
    }
    whole = translator.translate_batch(list(sources.values()))
    assert all(1 < len(one.hypotheses) <= 3 * translator.default_search.beam for one in whole)
    for one in whole:
        others = {other.units.ids.tobytes() for other in one.others}
        assert len(others) == len(one.others)
        assert one.units.ids.tobytes() not in others
    spread = [len(units) for one in whole for units in (one.units, *(other.units for other in one.others))]
    assert max(spread) > 1.5 * min(spread)
    lengths = dict[str, int]()
    for length in LENGTH_TAGS:
        translator.lengths = (length,)
        lengths[length] = sum(len(one.units) for one in translator.translate_batch(list(sources.values())))
    assert lengths["short"] < sum(len(one.units) for one in whole) < lengths["long"]  # the best is as long as its source
    assert 1.3 * lengths["short"] < lengths["even"] < lengths["long"] / 1.2, lengths
