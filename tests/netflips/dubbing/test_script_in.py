"""A dub takes places, speakers, texts and what stays from a script, and its report is such a script again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, NetflipsError, UsageError
from avcore.media import probe, read_speech, write_speech
from avcore.notes import json_text, sentence
from avcore.timeline import SAMPLE_RATE, Interval
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from netflips.script.files import read_script, script_json, write_script
from netflips.script.targets import GivenUnits, KeptOriginal, SpokenSound, TranslatedUnits, UnitList, WrittenText
from netflips.script.types import Media, Script, SpeakerOf, VoiceFile
from netflips.script.utterance import Utterance
from tests.avcore.made_speech import babble
from tests.refusal import refused

pytestmark = pytest.mark.usefixtures("work")
_PLACES = (Interval(0.4, 1.2), Interval(1.6, 2.4), Interval(2.6, 3.0))


def _script(**changes: object) -> Script:
    targets = (None, WrittenText("두 번째 문장입니다."), KeptOriginal())
    utterances = tuple(Utterance(place=place, speaker="Ann", target=target) for place, target in zip(_PLACES, targets, strict=True))
    return replace(Script("en", "ko", speakers=(SpeakerOf("Ann", face="none"),), utterances=utterances), **changes)


def _settings(settings: DubOptions, path: Path) -> DubOptions:
    return replace(settings, script_in=path, work_dir=path.parent / "work")  # its own: other tests count what is kept


def test_a_script_by_hand_is_dubbed_and_told_again(recording: Path, spelling: Models, settings: DubOptions, tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    write_script(path, _script(media=Media(digest="another")))
    report = dub(recording, tmp_path / "out.mp4", spelling, _settings(settings, path))
    first, second, third = report.utterances
    assert [one.place for one in report.utterances] == list(_PLACES)
    assert {one.speaker for one in report.utterances} == {"Ann"}
    assert (second.target, third.target) == (WrittenText("두 번째 문장입니다."), KeptOriginal())
    assert first.fit is not None
    assert second.fit is not None
    assert third.fit is None
    assert first.drawn.drawn == 0  # no face was wanted
    told = [sentence(one) for one in report.grouped_notes]
    assert "utterance 3 is left alone: it is kept, as the script asks" in told
    assert "script.json was made of another file; its places and texts are used" in told
    assert float(probe(tmp_path / "out.mp4").duration_s) == pytest.approx(report.output_s, abs=0.05)
    again = tmp_path / "report.json"
    again.write_text(json_text(script_json(report)), encoding="utf-8")
    assert [one.target for one in read_script(again).utterances][1:] == [second.target, third.target]
    same = dub(recording, tmp_path / "out.mp4", spelling, _settings(settings, again))
    assert [one.fit for one in same.utterances] == [one.fit for one in report.utterances]


def test_a_draft_stops_before_drawing_and_its_work_is_taken_up(
    recording: Path, models: Models, settings: DubOptions, tmp_path: Path
) -> None:
    settings = replace(settings, work_dir=tmp_path / "work")
    path = tmp_path / "draft.json"
    draft = dub(recording, tmp_path / "out.mp4", models, replace(settings, draft=path))
    assert draft.made is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draft.json", "work"]
    script = dub(recording, tmp_path / "out.mp4", models, _settings(settings, path))
    assert [one.place for one in script.utterances] == [one.place for one in draft.utterances]
    assert [one.target for one in script.utterances] == [one.target for one in draft.utterances]
    counts = script.result.work_counts
    assert counts["units"]["made"] == 0
    assert "translations" not in counts  # what was drafted stands


def test_a_draft_of_sound_alone_looks_for_no_faces(
    recording: Path, models: Models, settings: DubOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a face was looked for")

    monkeypatch.setattr("netflips.dubbing.track_faces.FaceSearch.look", refuse)
    settings = replace(settings, work_dir=tmp_path / "own", draft=tmp_path / "draft.json")
    draft = dub(recording, tmp_path / "out.mp4", models, replace(settings, modalities="audio"))
    assert all(one.speaker and one.seen.tracks == () for one in draft.utterances)
    refused(AssertionError, "a face", dub, recording, tmp_path / "out.mp4", models, replace(settings, modalities="video"))


def test_translated_written_and_spoken_utterances_go_together(
    recording: Path, models: Models, spelling: Models, settings: DubOptions, tmp_path: Path
) -> None:
    """Translated, or units of the script's own; from a text; of a part of a sound that is said again, and heard as it is."""
    said = babble(2.0)
    write_speech(tmp_path / "said.wav", said)
    part = SpokenSound("said.wav", from_s=0.5, to_s=1.1)
    path = tmp_path / "script.json"
    settings = replace(settings, work_dir=tmp_path / "work")
    for target in (part, replace(part, keep_sound=True)):
        given = GivenUnits(UnitList((3, 1, 2, 9, 4), None, models.vocoder.vocabulary))
        targets = (given if target.keep_sound else None, WrittenText("두 번째 문장입니다."), target)
        utterances = tuple(Utterance(place=place, target=one) for place, one in zip(_PLACES, targets, strict=True))
        write_script(path, _script(speakers=(), utterances=utterances))
        script = dub(recording, tmp_path / "out.mp4", spelling, _settings(settings, path))
        first, second, third = script.utterances
        assert first.target == given if target.keep_sound else isinstance(first.target, TranslatedUnits)
        assert not target.keep_sound or first.fit.units == 5
        assert (second.target, third.target) == (targets[1], target)
        assert third.fit.natural_s == pytest.approx(0.6, abs=0.06)
        heard = np.abs(_likeness(read_speech(tmp_path / "out.mp4"), said[8000:17600], third.fit.output.start_s))
        assert (heard > 0.7) == target.keep_sound
    assert third.fit.units == len(models.extractor.extract(said[8000:17600], None).ids)


def _likeness(sound: np.ndarray, said: np.ndarray, start_s: float) -> float:
    """The highest correlation of speech with a sound from 50 ms before a time to 50 ms behind it."""
    begin = round(start_s * SAMPLE_RATE)
    there = (sound[begin + shift : begin + shift + len(said)] for shift in range(-800, 800, 1))
    return max(float(np.corrcoef(one, said[: len(one)])[0, 1]) for one in there)


def test_what_a_script_cannot_give_is_told(recording: Path, models: Models, settings: DubOptions, tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    voice, strange = SpeakerOf("Ann", VoiceFile("../ann.wav")), GivenUnits(UnitList((1, 5000)))
    other = TranslatedUnits(UnitList((1, 5000)))
    one = Utterance(place=_PLACES[0], speaker="Ann")
    for script, said in (
        (_script(utterances=(Utterance(),)), "utterance 1 has no length"),
        (_script(utterances=(Utterance(place=Interval(2, 2.00001)),)), "utterance 1 is too short"),
        (_script(utterances=(Utterance(place=Interval(1, 3)), Utterance(place=Interval(2, 4)))), "utterance 2 begins before"),
        (_script(utterances=(Utterance(place=Interval(8, 1e3)),)), "utterance 1 ends behind"),
        (_script(speakers=(SpeakerOf("Bob"),), utterances=(one,)), "somebody who says nothing; expected Ann; found Bob"),
        (_script(speakers=(SpeakerOf("Ann", face="left"),), utterances=(one,)), "the face of 'Ann' in the script cannot be used"),
        (_script(speakers=(), utterances=(Utterance(place=_PLACES[0], target=strange),)), "json: a unit of utterance 1 .* 5000"),
        (_script(speakers=(), utterances=(Utterance(place=_PLACES[0], target=other),)), "of other units .* 5000; --retranslate"),
        (_script(utterances=(Utterance(place=_PLACES[0], target=TranslatedUnits(UnitList((1, -1)))),)), "ids of utterance 1"),
        (_script(utterances=(Utterance(place=_PLACES[0], target=SpokenSound("../a.wav")),)), "may not use"),
        (_script(utterances=(Utterance(place=_PLACES[0], target=SpokenSound("a.wav")),)), "is not there"),
        (_script(speakers=(voice,)), "may not use"),
    ):
        write_script(path, script)
        refused(NetflipsError, said, dub, recording, tmp_path / "out.mp4", models, _settings(settings, path))
    for content in (script_json(_script()) | {"format": "netflips-script-9"}, [[0.4, 1.2]]):
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match="this is no script that can be read"):
            _ = DubOptions(script_in=path).script
    refused(UsageError, r"--script-in takes \.json, \.srt", DubOptions, script_in=tmp_path / "x.txt")
