"""Where a bundle's domain ends, found with made-up speech in place of a synthesiser's."""

import shutil
from math import nan
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from av2unit.extractor import UnitExtractor
from av2unit.known_sentences import KNOWN_KEY as KNOWN
from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import Bundle
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.domain import KEY, Domain
from avcore.errors import InputError
from avcore.progress import silent
from avcore.speech.espeak import TimedSpeech
from avcore.timeline import SAMPLE_RATE
from netflips.bundles.describe import bundle_lines, check_bundle
from netflips.cascade.kokoro import NaturalVoice
from recipes.demo.recipe import calibration, probes
from recipes.demo.recipe.calibration import calibrate_bundle, common_bounds, find_domains, is_right, summary
from recipes.demo.recipe.probes import ESPEAK, NATURAL, READINGS, Scores, one_word_sentences, outside_sentences, unknown_words
from recipes.demo.voices.cast import Voice, cast
from recipes.demo.voices.phrasebook import phrasebook
from tests.refusal import refused
from unit2unit.stage import TRANSLATOR
from unit2unit.translator import UnitTranslator

OWNERS = {"unit_confidence": UNIT_ENCODER, "translation_score": TRANSLATOR}


def _hum(text: str, voice: Voice) -> TimedSpeech:
    """A third of a second, another for each text and kind of voice."""
    rng = np.random.default_rng([len(text), isinstance(voice, NaturalVoice)])
    return TimedSpeech(rng.normal(0, 0.1, SAMPLE_RATE // 3).astype(np.float32), SAMPLE_RATE, ())


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "say", _hum)
    for name, texts in (
        ("domain_sentences", ["one phrase", "another phrase"]),
        ("outside_sentences", ["one", "another"]),
        ("one_word_sentences", ["a word", "b", "c d"]),
    ):
        monkeypatch.setattr(calibration, name, lambda texts=texts: texts)
    monkeypatch.setattr(calibration, "is_right", lambda _, known: np.arange(len(known)) < 3)  # of random weights nothing is
    monkeypatch.setattr(calibration, "kinds_here", lambda: (ESPEAK, NATURAL))


@pytest.mark.usefixtures("made_up")
def test_bounds_are_stored_with_the_models_and_told(packed: Bundle, tmp_path: Path) -> None:
    folders = [Path(shutil.copytree(packed.folder, tmp_path / name)) for name in ("own", "again")]
    for folder in folders:
        calibrate_bundle(folder, count=4, seed=1, share=0.5, progress=silent)
    folder = folders[0]
    told = check_bundle(folder).about["out_of_domain"]
    assert told == check_bundle(folders[1]).about["out_of_domain"]
    for name, kind in OWNERS.items():
        stored = read_checkpoint(folder / packed.checkpoint(kind).name, kind).config[KEY]
        assert stored == told[name]
        assert (stored["share"], stored["samples"]) == (0.5, 3)
        assert stored["least"] < 0
        assert ("nearest" in stored) is (kind is UNIT_ENCODER)
    assert told["warned_right"]["share"] <= 0.5
    assert (told["warned_right"]["samples"], told["warned_wrong"]["samples"]) == (3, 1)
    assert told["warned_inside"]["by_voice"].keys() == told["warned_right"]["by_voice"].keys() == {ESPEAK, NATURAL}
    assert sum(one["samples"] for one in told["warned_right"]["by_voice"].values()) == 3
    assert [told[f"warned_{where}"]["samples"] for where in ("inside", "outside", "one_word")] == [4, 2, 3]
    assert [one["samples"] for one in told["warned_one_word"]["by_voice"].values()] == [2, 1]
    lines = "\n".join(bundle_lines(check_bundle(folder)))
    assert all(words in lines for words in ("warned outside", "warned one word", "at its weakest", "for likeness"))
    assert UnitTranslator.from_checkpoint(folder / "translator.safetensors").domain is not None
    encoder = UnitExtractor.from_checkpoint(folder / "unit_encoder.safetensors")
    assert 1 <= len(encoder.known.sentences) <= 2
    assert encoder.extract_scored(np.zeros(SAMPLE_RATE // 2, np.float32)).nearest is not None


@pytest.mark.usefixtures("made_up")
def test_a_failed_calibration_leaves_the_bundle_whole(packed: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(packed.folder, tmp_path / "own"))
    monkeypatch.setattr(calibration, "summary", lambda *_: 1 / 0)
    refused(ZeroDivisionError, "", calibrate_bundle, folder, count=4, seed=1, share=0.5, progress=silent)
    check_bundle(folder)
    assert KNOWN not in read_checkpoint(folder / "unit_encoder.safetensors", UNIT_ENCODER).config


def _scores(*columns: list[float]) -> Scores:
    return Scores(np.array(columns).T, (ESPEAK,) * len(columns), ("said",) * len(columns))


def test_warnings_are_counted_once_an_utterance() -> None:
    domains = {
        UNIT_ENCODER: Domain("x", -1.0, 0.1, 9, weakest=-1.0, nearest=-1.0),
        TRANSLATOR: Domain("x", -2.0, 0.1, 9, weakest=-2.0),
    }
    usual, all_low, unlike, unsure = [-0.5] * 5, [-9.0] * 5, [-0.5, -0.5, -3.0, -0.5, -0.5], [-0.5, -0.5, -0.5, -0.5, -2.5]
    told = summary(domains, _scores(usual, usual), _scores(all_low, unlike, unsure, usual), _scores(unlike, usual))
    assert told["warned_inside"]["share"] == 0
    names = [one.name for one in READINGS]
    assert told["warned_outside"]["share"] == 0.75
    assert [told["warned_outside"][name] for name in names] == [0.25, 0.25, 0.5, 0.25, 0.5]
    expected = {"samples": 2, "share": 0.5, "by_voice": {}, **dict.fromkeys(names, 0.0), "unit_likeness": 0.5}
    assert told["warned_one_word"] | {"by_voice": {}} == expected


def test_what_comes_out_as_another_sentence_is_not_right(packed: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_right(_scores([0.0], [0.0]), ["said", "meant"]).tolist() == [True, False]
    folder = Path(shutil.copytree(packed.folder, tmp_path / "own"))
    monkeypatch.setattr(calibration, "is_right", lambda _, known: np.zeros(len(known), np.bool_))
    monkeypatch.setattr(calibration, "ProbedModels", lambda *_: SimpleNamespace(listen=lambda *_: _scores([0.0])))
    refused(InputError, "comes out right", calibrate_bundle, folder, count=1, seed=1, share=0.5, progress=silent)


def test_the_likeness_gets_most_of_the_share() -> None:
    scores = np.random.default_rng(2).normal(size=(len(READINGS), 2000))
    below = calibration.is_warned_of(find_domains(scores, 0.04), scores)
    assert 0.03 < below.any(axis=0).mean() <= 0.04
    shares = dict(zip([one.name for one in READINGS], below.mean(axis=1), strict=True))
    assert shares["unit_likeness"] > 3 * shares["unit_confidence"] > 0


def test_voices_of_the_bounds_are_of_no_training_or_evaluation() -> None:
    rng = np.random.default_rng(0)
    settings = cast().settings
    held_out = {name for voice in settings["held_out"]["natural"] for name in voice} - set(settings["natural"]["styles"])
    for _ in range(20):
        voice = cast().unusual_natural(rng)
        assert len(voice.styles) == 3  # training has one or two
        assert sum(share for _, share in voice.styles) == pytest.approx(1)
        assert not held_out & {name for name, _ in voice.styles}


def test_what_is_called_outside_and_single_words_are_in_no_phrasebook() -> None:
    assert len(outside_sentences()) == 60
    assert len(one_word_sentences()) >= 150
    for sentences in (outside_sentences(), one_word_sentences()):
        assert len(set(sentences)) == len(sentences)
        assert not {pair.english for pair in phrasebook().all_pairs()} & set(sentences)
    known = {english for pairs in phrasebook().slots.values() for english, _ in pairs}
    for slot, words in unknown_words().items():
        assert slot in phrasebook().slots
        assert not known & set(words)


def test_one_bound_is_what_a_share_of_the_scores_falls_below() -> None:
    (least,) = common_bounds(np.random.default_rng(0).permutation(np.linspace(-1, 0, 1001))[None], [1.0], 0.05)
    assert least == pytest.approx(-0.95, abs=2e-3)
    domain = Domain("a test", -0.95, 0.05, 1001)
    assert [domain.knows(score) for score in (0.0, -0.949, -0.951, -5.0, nan)] == [True, True, False, False, False]
    for none in ([], [0.0, nan]):
        refused(InputError, "scores of its own speech", common_bounds, np.array([none]), [1.0], 0.01)


def test_all_bounds_together_miss_no_more_than_the_share() -> None:
    scores = np.random.default_rng(1).normal(size=(3, 4000))
    bounds = common_bounds(scores, [1.0, 1.0, 0.25], 0.06)
    missed = scores < bounds[:, None]
    assert 0.055 < missed.any(axis=0).mean() <= 0.06
    each = missed.mean(axis=1)
    assert (each[0], each[2]) == (pytest.approx(each[1], abs=2e-3), pytest.approx(each[0] / 4, abs=2e-3))
    alike = np.repeat(scores[:1], 3, axis=0)  # bounds that miss the same utterances leave one another room
    assert common_bounds(alike, [1.0, 1.0, 1.0], 0.06)[0] > bounds[0]
