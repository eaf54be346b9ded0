"""Training a reader of units: the loss falls, runs go on exactly, and what is exported reads what was trained on."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.errors import LanguageError, UnitError, UsageError, VocabularyError
from avcore.units import END, PAD, Units
from tests.refusal import refused
from tests.unit2text.tiny import sentence, units_of, write_corpus
from unit2text import evaluate, inference
from unit2text.search import BLANK_ROW
from unit2text.stage import UNIT2TEXT
from unit2text.train import main
from unit2text.training.config import UnitToTextDataConfig, UnitToTextNoiseConfig
from unit2text.training.corpus import UnitToTextCorpus, read_unit_to_text_corpus
from unit2text.training.items import Utterances, fade, masked, text_vocabulary, with_noise
from unit2text.training.task import path_errors
from unit2text.unit_reader import UnitReader


def overrides(folder: Path, run: str, *more: str) -> list[str]:
    manifest, units = folder / "texts.jsonl", folder / "units.jsonl"
    return [
        "--config-name",
        "unit2text/train_debug",
        f"data.train={manifest}",
        f"data.units={units}",
        f"run_dir={folder / run}",
        *more,
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reader")
    write_corpus(made, 60)
    return made


@pytest.fixture(scope="module")
def reader_file(folder: Path) -> Path:
    assert main(overrides(folder, "run", "read.longest_s=3.2")) == 0  # the sentences last about 2 s
    path = folder / "reader.safetensors"
    assert main(["export", "--checkpoint", str(folder / "run" / "checkpoints" / "best.pt"), "--out-path", str(path)]) == 0
    return path


def test_what_is_exported_reads_sentences_that_it_never_saw(reader_file: Path, folder: Path) -> None:
    reader = UnitReader.from_checkpoint(reader_file)
    generator = np.random.default_rng(99)
    right = 0
    for _ in range(5):
        text = sentence(generator)
        ids, durations = units_of(text, generator)
        found = reader.read(Units(np.array(ids), np.array(durations), vocabulary="sha256:test"))
        right += found.text == text
        edges = [edge for word in found.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert edges[-1] <= sum(durations) / 50
        assert found.language == "en"
    assert right >= 4


def test_times_of_words_are_where_they_are_said(reader_file: Path) -> None:
    ids, durations = units_of("nor kig", np.random.default_rng(0))
    found = UnitReader.from_checkpoint(reader_file).read(Units(np.array(ids), np.array(durations)), "en")
    assert [word.text for word in found.words] == ["nor", "kig"]
    ends = np.cumsum(durations) / 50
    assert abs(found.words[0].start_s - ends[0]) < 0.1
    assert abs(found.words[1].start_s - ends[4]) < 0.1
    assert abs(found.words[1].end_s - ends[-2]) < 0.1


def test_long_units_are_read_in_windows(reader_file: Path) -> None:
    generator = np.random.default_rng(5)
    said = [sentence(generator) for _ in range(12)]
    ids, durations = [], []
    for text in said:
        more = units_of(text, generator)
        ids += more[0]
        durations += [*more[1][:-1], 30]
    found = UnitReader.from_checkpoint(reader_file).read(Units(np.array(ids), np.array(durations)), "en")
    assert sum(durations) / 50 > 20
    assert evaluate.compare_texts(" ".join(" ".join(said).split()), found.text)[0].errors <= 2
    edges = [edge for word in found.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)


def test_bad_input_has_one_clear_error(reader_file: Path) -> None:
    reader = UnitReader.from_checkpoint(reader_file)
    refused(UnitError, "durations of these units are not known", reader.read, Units(np.array([1, 2])))
    refused(VocabularyError, "", reader.read, Units.from_frames([1, 1], vocabulary="sha256:other"))
    refused(LanguageError, "one of en", reader.read, Units.from_frames([1, 1]), "ko")
    refused(UsageError, "reads units", reader.read, np.zeros((3, 96, 96), np.uint8))
    assert reader.read(Units.from_frames([])).text == ""


def test_two_streams_then_one_that_goes_on(folder: Path, reader_file: Path) -> None:
    """The paper's two steps: units of lips with those of the sound, which fade out; then on from there."""
    steps = ("loop.max_steps=4", "loop.validate_every=4", "loop.save_every=4")
    sound = f"data.sound_units={folder / 'units.jsonl'}"
    assert main(overrides(folder, "streams", sound, *steps)) == 0
    out = folder / "streams.safetensors"
    assert main(["export", "--checkpoint", str(folder / "streams" / "checkpoints" / "last.pt"), "--out-path", str(out)]) == 0
    assert "speech_unit_embedding.weight" in read_checkpoint(out, UNIT2TEXT).tensors
    assert UnitReader.from_checkpoint(out).read(Units.from_frames([1, 1, 2]), "en").language == "en"
    assert main(overrides(folder, "more", f"init.checkpoint={out}", sound, *steps)) == 0
    assert main(overrides(folder, "fits_not", f"init.checkpoint={out}", *steps)) == 2
    assert main(overrides(folder, "tuned", f"init.checkpoint={reader_file}", *steps)) == 0


def test_figures_of_a_manifest(reader_file: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "figures.json"
    files = {"--units": folder / "units.jsonl", "--unit2text-path": reader_file, "--out": out}
    words = [str(folder / "texts.jsonl"), *(str(one) for pair in files.items() for one in pair)]
    assert evaluate.main([*words, "--quiet"]) == 0
    content = json.loads(out.read_text())
    assert content["normalisation"] == "netflips-text-1"
    figure = content["languages"]["en"]["cer"]
    assert figure["n"] == 60
    assert 0 <= figure["low"] <= figure["value"] <= figure["high"] < 0.2
    assert "WER" in capsys.readouterr().out


def test_the_command_reads_a_unit_file(reader_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids, durations = units_of("sal rab", np.random.default_rng(3))
    path = tmp_path / "units.txt"
    path.write_text(" ".join(str(one) for one in np.repeat(ids, durations)))
    assert inference.main(["--in-unit-path", str(path), "--unit2text-path", str(reader_file), "--lang", "en", "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == "sal rab"
    assert inference.main(["--in-lip-path", str(path), "--unit2text-path", str(reader_file)]) == 2


def test_eight_bits_read_the_same(reader_file: Path, folder: Path) -> None:
    out = folder / "small.safetensors"
    checkpoint = str(folder / "run" / "checkpoints" / "best.pt")
    assert main(["export", "--checkpoint", checkpoint, "--out-path", str(out), "--eight-bits"]) == 0
    ids, durations = units_of("dimut theno", np.random.default_rng(3))
    assert UnitReader.from_checkpoint(out).read(Units(np.array(ids), np.array(durations))).text == "dimut theno"
    assert out.stat().st_size < 0.5 * reader_file.stat().st_size


def _corpus(manifest: Path, folder: Path, **settings: Any) -> UnitToTextCorpus:
    return read_unit_to_text_corpus(UnitToTextDataConfig(train=str(manifest), units=str(folder / "units.jsonl"), **settings), 0)


def test_held_out_sentences_are_never_trained_on(folder: Path) -> None:
    corpus = _corpus(folder / "texts.jsonl", folder, hold_out=5)
    assert len(corpus.valid) >= 5
    assert not {one.text for one in corpus.train} & {one.text for one in corpus.valid}


def test_a_rarer_language_is_taken_several_times(folder: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (folder / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
    mixed = [row | {"language": "ko" if number % 5 == 0 else "en"} for number, row in enumerate(rows)]
    manifest = tmp_path / "mixed.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in mixed), encoding="utf-8")
    corpus = _corpus(manifest, folder, hold_out=5, balance=True)
    english, korean = ([one.id for one in corpus.train if one.language == language] for language in ("en", "ko"))
    assert len(set(english)) == len(english)
    assert len(korean) > 2 * len(set(korean)) > 0
    assert abs(len(korean) - len(english)) < 0.2 * len(english)


def test_noise() -> None:
    random, noise = (
        np.random.default_rng(0),
        UnitToTextNoiseConfig(0.5, 0.2, 0.2, stretch=0.5, mask=0.3, mask_s=0.1, fade_sound=True),
    )
    units = Units(np.arange(200) % 10, np.full(200, 10))
    changed = with_noise(units, noise, 10, random)
    assert 120 < len(changed) < 240
    assert changed.durations.min() >= 1
    assert changed.ids.max() < 10
    silent = UnitToTextNoiseConfig(0, 0, 0, 0, 0, mask_s=0.1, fade_sound=True)
    assert with_noise(units, silent, 10, random) == Units(units.ids, units.durations)
    rows = np.full(5000, 7)
    assert masked(rows, silent, random).tolist() == rows.tolist()
    assert 0.15 < float((masked(rows, noise, random) == 0).mean()) < 0.4


def test_sentences_in_a_row(folder: Path) -> None:
    """As many of one language as fit, one behind another, with pauses between; the same each time for the same number."""
    corpus = _corpus(folder / "texts.jsonl", folder, hold_out=2)
    text, starts = text_vocabulary(corpus)
    in_a_row = UnitToTextNoiseConfig(0, 0, 0, 0, 0, mask_s=0.1, fade_sound=False, join=1.0, join_s=8.0, pause_s=0.4)
    single, several = (
        Utterances(corpus.train, text, tuple(starts), corpus.num_units, replace(in_a_row, join=share)) for share in (0.0, 1.0)
    )
    alone, row = single.load((0, 3)), several.load((0, 3))
    said = [text.decode(one.target[:-1].tolist()) for one in (alone, row)]
    assert said[1].startswith(f"{said[0]} ")
    assert row.rows[: len(alone.rows)].tolist() == alone.rows.tolist()
    assert 2 * len(alone.rows) < len(row.rows) <= 400
    known = {one.text for one in corpus.train}
    assert said[1] not in known
    assert several.load((0, 3)).rows.tolist() == row.rows.tolist()
    assert several.load((1, 3)).rows.tolist() != row.rows.tolist()


def test_units_of_the_sound_fade_out() -> None:
    sound = torch.full((2, 12), 9)
    sound[:, 10:] = 0
    for progress, hidden in ((0.05, 0), (0.4, 5), (0.8, 10)):
        assert ((fade(sound, progress) == 0).sum(1) - 2).tolist() == [hidden, hidden]
    assert int((sound == 0).sum()) == 4


@pytest.mark.parametrize(
    "bad", ["noise.substitute=2", "model.encoder_heads=5", "data.hold_out=0", "ctc_weight=-1", "noise.join=1.5", "nonsense=1"]
)
def test_settings_that_cannot_be(folder: Path, bad: str) -> None:
    assert main(overrides(folder, "bad", bad)) == 2


@pytest.mark.parametrize(
    ("path", "errors"),
    [
        ([5, 6, 7], 0),
        ([5, 5, 6, 0, 7, 7], 0),  # one letter held, and a pause, are one
        ([], 3),  # nothing is read
        ([5, 0, 5, 6, 0, 6, 7, 0, 7], 3),  # twice as much is read as there is
        ([8, 9, 10], 3),
        ([5, 7], 1),
    ],
)
def test_errors_are_shares_of_the_letters_that_are_wanted(path: list[int], errors: int) -> None:
    """However many are found: what reads nothing has as many errors as there are letters, and what reads too much may have more."""
    log_probs = torch.full((1, 12, 12), -9.0)
    log_probs[0, torch.arange(12), torch.tensor(path + [BLANK_ROW] * (12 - len(path)))] = 0.0
    batch: Any = SimpleNamespace(target=torch.tensor([[5, 6, 7, END, PAD, PAD]]), lengths=torch.tensor([12]))
    assert path_errors(batch, log_probs) == (errors, 3)
