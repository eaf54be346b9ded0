"""What the bundle that comes with NetfLips can do, on the clip that comes with it: a sentence, voice and head it never met."""

import json
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netflips
from av2unit.modality_selection import AUDIO, SelectedUnits
from av2unit.sources import lips_of_video
from avcore.checkpoints.bundle import Bundle, read_bundle
from avcore.checkpoints.stages import Running
from avcore.contracts import Transcript
from avcore.journal import key_of
from avcore.media import read_speech, write_speech
from avcore.speech.audio import loudness_lufs
from avcore.speech.pitch import pitch_track
from avcore.timeline import seconds_to_samples, units_to_samples
from avcore.units import Units
from netflips import cli
from netflips.bundles.confidence import confidence_of
from netflips.bundles.describe import check_bundle
from netflips.bundles.references import Reference, nearest_reference, read_references
from netflips.cascade.kokoro import korean_signs
from netflips.commands.options import transcribe
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.dubbing.text_speech import natural_units
from netflips.loaded import Loaded
from netflips.model_paths import RunOptions, bundle_paths
from netflips.models import Models, load_models
from netflips.quality_estimation import QualityEstimate, ReadUnits, compare_given_text, estimate_utterance
from netflips.stages import SHIPPED, load_text_to_unit
from recipes.demo.material.phones import SILENCE
from recipes.demo.voices.phrasebook import held_out_free
from tests.netflips.conftest import config
from tests.netflips.dubbing.made import write_times
from text2unit.script import script_of
from unit2av.lipsync.backend import LipSyncChoice
from unit2av.speaker import voice_of
from unit2text.stage import UNIT2TEXT
from unit2text.text import character_errors
from unit2text.unit_reader import UnitReader

CLIP = Path(__file__).resolve().parents[2] / "docs" / "clip" / "clip.mp4"


@pytest.fixture(scope="module")
def korean() -> str:
    return str(json.loads(CLIP.with_suffix(".json").read_text(encoding="utf-8"))["korean"])


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models(bundle_paths(Bundle(SHIPPED, {})), "en", "ko", RunOptions("cpu"))


@pytest.fixture(scope="module")
def read(models: Models) -> ReadUnits:
    reader: UnitReader = models.other(UNIT2TEXT)
    return lambda units: reader.read(units, units.language).text


@pytest.fixture(scope="module")
def known() -> list[Reference]:
    return read_references(SHIPPED / "references.jsonl")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_speech(CLIP)


def test_its_files_are_those_that_it_names() -> None:
    rows = check_bundle(SHIPPED).about["metrics"]["rows"]
    (held_out,) = (row for row in rows if (row["figure"], row["subject"]) == ("held_out.right", "dub"))
    assert held_out["low"] > 0.6  # fillings that their template never had in training


def test_both_sides_of_a_dub_are_read_back(models: Models, read: ReadUnits, speech: np.ndarray, korean: str) -> None:
    """Of the clip's sentence its own translation is right, and that of another sentence is told."""
    extraction = models.extractor.extract_scored(speech)
    heard = SelectedUnits(replace(extraction, units=replace(extraction.units, language="en")), AUDIO)
    references = read_references(SHIPPED / "references.jsonl")
    for is_right in (True, False):
        said = next(one for one in references if (one.text == korean) == is_right)
        judged, notes = estimate_utterance(models, heard, said.units, 0.0, read=read)
        assert [one.code for one in notes] == ([] if is_right else ["says_other"])
        assert (judged.words == "sure") == is_right


def test_units_are_read_as_text_once(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The estimate of the quality and the texts for people are of the same readings."""
    read, model_reads = list[str](), UnitReader.read

    def counted(self: UnitReader, spoken: Units, *rest: Any) -> Transcript:
        read.append(key_of(spoken.ids, spoken.durations, spoken.language))
        return model_reads(self, spoken, *rest)

    monkeypatch.setattr(UnitReader, "read", counted)
    found = dub(CLIP, tmp_path / "x.mp4", models, DubOptions(lips=LipSyncChoice("none"), check="off"))
    assert found.quality.words == "sure"
    assert len(read) == len(set(read)) == 2


def test_its_confidence_was_fitted_and_its_own_clip_is_sure(models: Models, tmp_path: Path) -> None:
    known = confidence_of(read_bundle(SHIPPED))
    assert min(one.recordings for one in (known.translation, known.reading, known.recognition)) > 50
    draft = dub(CLIP, tmp_path / "x.mp4", models, DubOptions(draft=tmp_path / "x.json"))
    assert (draft.quality.words, draft.quality.causes) == ("sure", ())
    assert Loaded(models).units(CLIP).language == "en"


def test_english_subtitles_are_shown_and_judged(models: Models, read: ReadUnits, speech: np.ndarray, tmp_path: Path) -> None:
    extraction = models.extractor.extract_scored(speech)
    heard = SelectedUnits(replace(extraction, units=replace(extraction.units, language="en")), AUDIO)
    as_text = read(heard.extraction.units)
    assert as_text is not None
    assert compare_given_text(as_text, "Excuse me! Where is the airport?") == QualityEstimate()
    other = compare_given_text(as_text, "The bus leaves at nine.")
    assert (other.words, other.causes) == ("not_understood", ("subtitles",))
    given = tmp_path / "x.srt"
    given.write_text("1\n00:00:00,100 --> 00:00:02,300\nThe bus leaves at nine.\n")
    asked = DubOptions(script_in=given, draft=tmp_path / "x.json", modalities="audio")
    draft = dub(CLIP, tmp_path / "x.mp4", models, asked)
    assert "shown_only" in [one.code for one in draft.notes]
    assert draft.quality.words == "not_understood"
    assert "subtitles" in draft.quality.causes


@pytest.mark.parametrize("modalities", ["audio,video", "audio", "video"])
def test_it_finds_the_translation_of_a_new_sentence(
    modalities: str, models: Models, known: list[Reference], speech: np.ndarray, korean: str
) -> None:
    lips = lips_of_video(CLIP, speech=speech) if "video" in modalities else None
    units = models.extractor.extract(speech if "audio" in modalities else None, lips)
    assert nearest_reference(models.translator.translate(units, "en", "ko").units, known).reference.text == korean


def test_what_it_says_is_heard_again_and_half_the_units_do_worse(
    models: Models, known: list[Reference], speech: np.ndarray, korean: str
) -> None:
    """Order alone proves little here: in so small a phrasebook the units of a sentence tell most of it in any order."""
    units = models.extractor.extract(speech)
    translation = models.translator.translate(units, "en", "ko").units
    said = models.vocoder.synthesize(translation, voice_of(speech, models.speaker_encoder)).samples
    assert nearest_reference(models.extractor.extract(said), known).reference.text == korean
    merged = units.merged()
    half = np.ascontiguousarray(merged.ids[: len(merged.ids) // 2])
    cut = models.translator.translate(type(units)(half, None, "en", units.vocabulary), "en", "ko")
    assert nearest_reference(cut.units, known).reference.text != korean


@pytest.mark.parametrize("pause_s", [0.0, 0.28])
def test_two_sentences_without_a_pause_are_both_read(pause_s: float, models: Models, speech: np.ndarray, tmp_path: Path) -> None:
    """Said by the bundle itself; the reader has learnt single sentences only."""
    text_to_unit, voice = (
        load_text_to_unit(SHIPPED / "text_to_unit.ko.safetensors", Running()),
        voice_of(speech, models.speaker_encoder),
    )
    sentences = "열한 시에 기차역 앞에서 만나요.", "월요일 저녁에 볶음밥을 먹었어요."
    units = (natural_units(one, "ko", text_to_unit, models.vocoder) for one in sentences)
    first, second = (_sounding(models.vocoder.synthesize(one, voice).samples) for one in units)
    write_speech(tmp_path / "two.wav", np.concatenate([first, np.zeros(seconds_to_samples(pause_s), np.float32), second]))
    out = tmp_path / "two.txt"
    assert transcribe.main([str(tmp_path / "two.wav"), "--from", "ko", "--out", str(out), "--cpu", "--quiet"]) == 0
    errors = character_errors(" ".join(sentences), " ".join(out.read_text(encoding="utf-8").split()))
    assert errors.errors <= 0.4 * errors.length  # words may be read wrong; a sentence that is lost is half of it


@pytest.mark.parametrize("kind", ["news", "free", "unseen"])
def test_any_words_become_the_phones_of_their_reading(kind: str) -> None:
    """Sentences that the model has not learnt from; the rules of its teacher are the judge."""
    model = load_text_to_unit(SHIPPED / "text_to_unit.ko.safetensors", Running())
    names = json.loads((SHIPPED / "bundle.json").read_text(encoding="utf-8"))["phones"]
    sentences = [sentence for text in held_out_free(kind) for sentence in script_of(text).sentences]
    wrong = total = 0
    for sentence in sentences:
        said = [phone for _, phone in korean_signs(sentence, SILENCE) if phone != SILENCE]
        heard = [names[unit] for unit in model.units_of(sentence, "ko").ids if names[unit] != SILENCE]
        wanted, found = ([phone for phone, _ in groupby(row)] for row in (said, heard))
        wrong += sum(1 for block in SequenceMatcher(None, wanted, found, autojunk=False).get_opcodes() if block[0] != "equal")
        total += len(wanted)
    assert wrong <= 0.001 * total


def _sounding(samples: np.ndarray) -> np.ndarray:
    """Speech without the silence around it, float32 [S] at 16 kHz."""
    loud = np.flatnonzero(np.abs(samples) > 0.004)
    return samples[loud[0] : loud[-1]]


def test_a_clip_is_what_a_recording_of_one_utterance_is(tmp_path: Path) -> None:
    write_times(tmp_path / "whole.json", (0, 2.44))
    made: dict[str, dict[str, Any]] = {}
    sound: dict[str, np.ndarray] = {}
    source_timed = ["--timing", "source", "--script-in", str(tmp_path / "whole.json"), *config(pace=[1, 1.1], freeze_frame=True)]
    for name, more in (("clip", []), ("recording", [*source_timed, "--work-dir", str(tmp_path / "work")])):
        out, report = tmp_path / f"{name}.mp4", tmp_path / f"{name}.report.json"
        words = ["dub", str(CLIP), "-o", str(out), "--report", str(report), "--lips", "units", "--cpu", "--precision", "float32"]
        assert cli.main([*words, "-q", *more]) == 0
        script = json.loads(report.read_text())
        (made[name],), sound[name] = script["utterances"], read_speech(out)
        assert script["quality"] == made[name]["quality"]
    clip, recording = made["clip"], made["recording"]
    for name in ("source_units", "quality", "place"):
        assert clip[name] == recording[name]
    assert [clip["target"][name] for name in ("units", "score")] == [recording["target"][name] for name in ("units", "score")]
    assert clip["seen"]["quality"] == recording["seen"]["quality"]
    assert clip["drawn"]["drawn"] == clip["drawn"]["frames"] == 61
    # The clip's speech begins when the original's does. A recording's comes in and goes out, and its pause inside rests for what is
    # left of the slot.
    (lead, *durations), others = (one["fit"]["durations"] for one in (clip, recording))
    alike = next(
        (number for number, (one, other) in enumerate(zip(durations, others, strict=True)) if one != other), len(durations)
    )
    assert alike > 8
    inside, begin = slice(640, units_to_samples(sum(durations[:alike])) - 640), units_to_samples(lead)
    pitch = [pitch_track(samples) for samples in (sound["clip"][begin:][inside], sound["recording"][inside])]
    both = (pitch[0] > 0) & (pitch[1] > 0)
    assert both.mean() > 0.8
    assert np.median(np.abs(np.log(pitch[0][both] / pitch[1][both]))) < 0.01  # the melody is that of the whole
    assert loudness_lufs(sound["clip"]) == pytest.approx(loudness_lufs(read_speech(CLIP)), abs=0.2)


def test_a_photograph_that_talks_is_dubbed_in_every_frame(models: Models, tmp_path: Path) -> None:
    """Its lips are pale and small, and nothing is before them."""
    netflips.portrait(CLIP.with_name("portrait.jpg"), tmp_path / "talk.mp4", speech=CLIP)
    script = dub(tmp_path / "talk.mp4", tmp_path / "dub.mp4", models, DubOptions(modalities="audio"))
    (drawn,) = (one.drawn for one in script.utterances)
    assert drawn.drawn >= 0.95 * drawn.frames
    assert "hidden" not in drawn.left


def test_a_dub_has_the_timbre_of_its_speaker(models: Models, tmp_path: Path) -> None:
    netflips.say("지난 여름에는 날마다 바닷가에 나가서 해가 질 때까지 책을 읽고 놀았어요.", tmp_path / "talk.wav")
    options = DubOptions(
        script_in=write_times(tmp_path / "script.json", (0.0, 4.0, "내일은 비가 와요.")), work_dir=tmp_path / "work"
    )
    for name, voice in (("own.wav", None), ("again.wav", None), ("builtin.wav", Path("builtin"))):
        dub(tmp_path / "talk.wav", tmp_path / name, models, replace(options, voice=voice))
    own, again, builtin = (read_speech(tmp_path / name) for name in ("own.wav", "again.wav", "builtin.wav"))
    assert np.array_equal(own, again)
    assert not np.array_equal(own, builtin)
    assert len(list((tmp_path / "work" / "timbre").glob("*.npz"))) == 1
