import numpy as np
import pytest

from avcore.errors import InputError
from avcore.progress import silent
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE
from avcore.units import Units
from avdata.prepare.espeak import EspeakVoice
from netflips.bundles.references import Reference
from workshop.evaluate.retrieval import SpokenReferences, UnitReferences, mfcc_of, record_references
from workshop.voices.cast import cast, say
from workshop.voices.phrasebook import phrasebook


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return list(dict.fromkeys(pair.korean for pair in phrasebook().all_pairs()))[:40]


@pytest.fixture(scope="module")
def recordings(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> SpokenReferences:
    path = tmp_path_factory.mktemp("references") / "references.npz"
    record_references(texts, cast().judges("ko", edition=1)[:2], path, silent)
    return SpokenReferences.read(path)


def spoken(text: str, voice: EspeakVoice) -> np.ndarray:
    speech = say(text, voice)
    return resample(speech.samples, speech.rate, SAMPLE_RATE)


def test_another_voice_and_speed_finds_its_sentence_among_near_ones(recordings: SpokenReferences, texts: list[str]) -> None:
    voice = EspeakVoice("ko+f5", 150, 65, 30)
    for text in texts[:6]:
        found = recordings.nearest(spoken(text, voice))
        assert found.text == text
        assert found.margin > 0


def test_loudness_and_the_two_steps_of_the_search_change_nothing(recordings: SpokenReferences, texts: list[str]) -> None:
    samples = spoken(texts[3], EspeakVoice("ko+m5", 180))
    found = recordings.nearest(samples)

    assert recordings.nearest((samples * 0.1).astype(np.float32)).text == found.text
    assert recordings.nearest(samples, shortlist=5)[:2] == found[:2]


def test_noise_and_silence_are_compared_without_a_fault(recordings: SpokenReferences) -> None:
    rng = np.random.default_rng(0)
    for samples in (rng.standard_normal(9000).astype(np.float32), np.zeros(8000, np.float32), np.zeros(0, np.float32)):
        assert np.isfinite(recordings.nearest(samples).distance)
        assert np.isfinite(mfcc_of(samples)).all()


def reference(text: str, ids: list[int]) -> Reference:
    return Reference(text, Units(np.array(ids), np.full(len(ids), 3), "ko").merged(), text, "")


def test_the_nearest_units_are_found_and_repeats_do_not_matter() -> None:
    references = UnitReferences([reference("a", [1, 2, 3, 4]), reference("b", [1, 2, 9, 4]), reference("c", [7, 7, 8])])

    assert references.nearest(Units(np.array([1, 1, 2, 9, 9, 5]))).text == "b"
    assert references.nearest(Units(np.array([7, 8]))).text == "c"
    assert references.nearest(Units(np.array([7, 8]))).distance == 0
    assert references.nearest(Units(np.zeros(0, np.int64))).distance == 1


def test_silence_at_the_ends_counts_for_nothing() -> None:
    references = UnitReferences([reference("a", [0, 1, 2, 0, 3]), reference("b", [1, 2, 3, 0])], silences={0})

    assert references.nearest(Units(np.array([0, 1, 2, 3, 0]))) == ("b", 0, 0.25)
    assert references.nearest(Units(np.array([1, 2, 0, 3]))).text == "a"
    assert references.errors(Units(np.array([1, 2, 5, 3, 3, 0])), "a") == (1, 4)
    assert references.errors(Units(np.array([0])), "b") == (3, 3)


def test_references_without_durations_are_refused() -> None:
    with pytest.raises(InputError, match="durations"):
        UnitReferences([Reference("x", Units(np.array([1])), "a", "")])
