"""`netflips dub --subtitles`: files of what was heard and what is said, beside the dub, with the times of its script."""

import re
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from avcore.checkpoints.bundle import find_bundle
from avcore.contracts import Word
from avcore.errors import LanguageError, UsageError, VocabularyError
from avcore.timeline import Interval
from avcore.units import Units
from netflips.bundles.references import Reference, known_sentence, read_references
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.dubbing.part import OutputClock, part_of
from netflips.dubbing.store import Store
from netflips.dubbing.subtitles import cues_of, read_target, write_subtitles
from netflips.models import Models
from netflips.quality_estimation import estimate
from netflips.report.files import summary_of
from netflips.script.files import write_script
from netflips.script.targets import KeptOriginal, Text, TranslatedUnits, UnitList, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import SourceUnits, TimeFit, Utterance
from netflips.subtitles.beside import Subtitling
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.netflips.conftest import write_clip
from tests.netflips.dubbing.made import CUT_S, decode, given_text, work_made, write_times
from tests.netflips.subtitles.test_subtitles import latin_font
from tests.refusal import refused
from tests.unit2text.tiny import write_random_unit_to_text
from unit2av.lipsync.backend import LipSyncChoice
from unit2text.inference import UnitReader


def with_reader(models: Models, reader: Path) -> Models:
    return replace(models, paths=replace(models.paths, others={"unit-to-text": reader}))


def times(path: Path) -> list[float]:
    stamps = re.findall(r"(\d\d):(\d\d):(\d\d)[.,](\d{3})", path.read_text(encoding="utf-8"))
    return [seconds(":".join(stamp[:3]) + "." + stamp[3]) for stamp in stamps]


def seconds(stamp: str) -> float:
    hours, minutes, rest = stamp.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def blocks(path: Path) -> list[tuple[float, float, list[str]]]:
    """The subtitles of an SRT file: from, to (s), and lines."""
    parts = [block.split("\n") for block in path.read_text(encoding="utf-8").strip().split("\n\n")]
    return [(*map(seconds, part[1].split(" --> ")), part[2:]) for part in parts]


def require_rules(path: Path, letters: int, output_s: float, cut_s: float) -> None:
    """42 letters a line (20 in Korean), two lines, 1 to 7 s, in order, inside the video and within a shot."""
    found = blocks(path)
    assert found
    for (start, stop, lines), following in zip(found, [*found[1:], (output_s, 0, [])], strict=True):
        assert 1 <= len(lines) <= 2
        assert all(0 < len(line) <= letters for line in lines)
        assert 0 <= start < stop <= min(output_s, following[0]) + 0.002
        assert stop - start <= 7.001
        assert not start + 0.002 < cut_s < stop - 0.002
        room = min(following[0], output_s, cut_s if start < cut_s else output_s) - start
        assert stop - start >= min(1.0, room) - 0.05


def test_rules_hold_in_a_recording(
    recording: Path, models: Models, options: DubOptions, reader: Path, tmp_path: Path, work: Path
) -> None:
    out = tmp_path / "talk_ko.mp4"
    times_in = write_times(tmp_path / "times.json", (0.8, 7.1), (8.3, 10.7))  # the first goes on over the cut
    shown = {"subtitles": "source,target", "embed_subtitles": True, "burn_subtitles": "source", "subtitle_font": latin_font()}
    settings = replace(options, script_in=times_in, work_dir=work, **shown)
    report = dub(recording, out, with_reader(models, reader), settings)
    (cut,) = report.cuts
    assert abs(cut - CUT_S) < 0.1
    require_rules(tmp_path / "talk_ko.en.srt", 42, report.output_s, cut)
    require_rules(tmp_path / "talk_ko.ko.srt", 20, report.output_s, cut)
    english = blocks(tmp_path / "talk_ko.en.srt")
    assert report.processed[0].fit.output.start_s - 1.0 <= english[0][0]
    assert any(stop <= cut + 0.002 for _, stop, _ in english)
    with av.open(str(out)) as container:
        shown_first = [(one.language, bool(one.disposition & Disposition.default)) for one in container.streams.subtitles]
    assert shown_first == [("eng", False), ("kor", True)]  # the dub is Korean
    seen, plain = decode(out), decode(recording)
    for time, frame, before in zip(seen.times, seen.frames, plain.frames, strict=True):
        change = np.abs(frame[-20:].astype(int) - before[-20:]).max()  # below the face
        if any(start + 0.01 < time < stop - 0.01 for start, stop, _ in english):
            assert change > 100
        elif not any(start - 0.01 < time < stop + 0.01 for start, stop, _ in english):
            assert change < 60


def test_what_was_read_can_be_corrected(
    recording: Path, models: Models, options: DubOptions, reader: Path, tmp_path: Path, work: Path
) -> None:
    text_to_unit = write_random_text_to_unit(tmp_path / "text_to_unit.safetensors")
    paths = replace(models.paths, others={"unit-to-text": reader, "text-to-unit": text_to_unit})
    telling, draft, asked = replace(models, paths=paths), tmp_path / "draft.json", replace(options, subtitles="target")
    asked = replace(asked, lips=LipSyncChoice("none"))  # one speaker, who says enough for a rate

    def made(**more: Path) -> Script:
        return dub(recording, tmp_path / "x.mp4", telling, replace(asked, work_dir=work, **more))

    first = made()
    write_script(draft, first)
    for one in first.processed:
        assert one.text.text
        assert one.text.confidence is not None  # of random weights: about 0

    same = made(script_in=draft)  # as it was written: nothing is spoken from text, nothing made anew
    assert same.processed == first.processed
    assert work_made(same) == {}

    utterances = list(first.utterances)
    utterances[1] = replace(utterances[1], target=WrittenText("두 번째 문장입니다."))
    write_script(draft, replace(first, utterances=tuple(utterances)))
    other = made(script_in=draft)
    one = other.processed[1]
    assert (one.spoken.text, one.spoken.confidence, given_text(one)) == ("두 번째 문장입니다.", None, "두 번째 문장입니다.")
    assert other.processed[::2] == first.processed[::2]
    shown = [line for start, _, lines in blocks(tmp_path / "x.ko.srt") for line in lines if start >= one.fit.output.start_s - 0.5]
    assert "두 번째 문장입니다." in shown

    given = tmp_path / "ko.srt"  # which says what is said: what was heard is read for source subtitles alone
    given.write_text("00:00:00,900 --> 00:00:03,700\n첫 번째입니다.\n\n00:00:08,200 --> 00:00:10,000\n둘.\n", encoding="utf-8")
    assert [one.text for one in made(script_in=given, draft=tmp_path / "b.json").utterances] == [None, None]
    asked = replace(asked, subtitles="source,target")
    assert all(one.text is not None for one in made(script_in=given, draft=tmp_path / "c.json").utterances)


def test_a_short_clip_has_subtitles_of_its_new_speech(
    models: Models, speech: np.ndarray, reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netflips.quality_estimation.LOST", -1.0)  # what random models read would else not be shown
    clip, out = write_clip(tmp_path / "clip.mp4", speech), tmp_path / "out.mp4"
    settings = DubOptions(beam=1, max_target_units=20, modalities="audio", timing="free")
    asked = {"subtitles": "target", "embed_subtitles": True, "burn_subtitles": "source"}
    report = dub(clip, out, with_reader(models, reader), replace(settings, subtitle_font=latin_font(), **asked))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.ko.srt", "out.mp4"]
    assert times(tmp_path / "out.ko.srt")[-1] <= report.output_s + 0.01
    with av.open(str(out)) as container:
        assert [stream.language for stream in container.streams.subtitles] == ["kor"]
    assert any((frame[-20:] < 40).all(axis=2).any() for frame in decode(out).frames)  # the line around letters
    assert report.source_text
    assert report.target_text
    assert report.processed[0].spoken.confidence is not None
    assert report.target_text in summary_of(report)
    (one,) = report.utterances
    assert (one.text.text, one.spoken.text) == (report.source_text, report.target_text)
    shown = " ".join(line for _, _, lines in blocks(tmp_path / "out.ko.srt") for line in lines)
    assert "".join(shown.split()) == "".join(report.target_text.split())


def test_a_reader_of_other_units_is_refused_before_any_work(
    models: Models, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling = with_reader(models, write_random_unit_to_text(tmp_path / "english.safetensors", "sha256:another", ("en",)))
    quick, out = DubOptions(beam=1, max_target_units=20, modalities="audio"), tmp_path / "x.mp4"
    burnt = {"subtitle_font": latin_font(), "burn_subtitles": "target"}
    monkeypatch.setattr(models.extractor, "vocabulary", "sha256:one")
    refused(VocabularyError, "unit-to-text model", dub, clip, out, telling, quick)
    monkeypatch.setattr(models.extractor, "vocabulary", "")
    monkeypatch.setattr("netflips.dubbing.preflight.require_letters", lambda *_: None)
    refused(LanguageError, "has no language 'ko'", dub, clip, out, telling, replace(quick, **burnt))
    dub(clip, out, telling, replace(quick, subtitle_font=latin_font(), burn_subtitles="source"))
    refused(UsageError, "subtitles need a unit-to-text model", dub, clip, out, models, replace(quick, subtitles="source"))


def test_sides_that_there_are() -> None:
    refused(UsageError, "source, target or source,target", Subtitling, ("source", "source"))
    refused(UsageError, "source, target or source,target", Subtitling, ())
    refused(UsageError, "--burn-subtitles cannot be used", Subtitling, (), burnt="both")


def clock(one: Script) -> OutputClock:
    """Of a video of 10 s."""
    return OutputClock(one, part_of(script(), Fraction(10)), Fraction(25))


def said(number: int, start_s: float, text: str, words: tuple[Word, ...] = (), seconds: float = 2.0) -> Utterance:
    """An utterance that is spoken 0.5 s later than it was heard."""
    target = TranslatedUnits(UnitList((1,)), reading=Text(text, "ko", "reader", words)) if words else WrittenText(text)
    fit = TimeFit(Interval(start_s + 0.5, start_s + 0.5 + seconds), spoken_s=seconds)
    return Utterance(number, Interval(start_s, start_s + 1.0), target=target, fit=fit)


def script(*utterances: Utterance) -> Script:
    return Script("en", "ko", "own", utterances=utterances)


READ = (Word("a", 0.0, 1.0, 1.0), Word("b", 1.0, 2.0, 1.0))


def test_a_text_stands_where_it_is_spoken() -> None:
    spoken = script(said(1, 1.0, "a b", READ), said(2, 5.0, "what the user\nwrote"))
    cues = cues_of(spoken, clock(spoken), "target")
    assert cues is not None
    assert [(cue.start_s, cue.end_s, cue.lines) for cue in cues] == [(1.5, 3.5, ("a b",)), (5.5, 7.5, ("what the user wrote",))]


def test_a_side_that_was_not_read_has_no_subtitles() -> None:
    heard = script(Utterance(1, Interval(1.0, 2.0), source_units=SourceUnits(UnitList((1, 2)), "audio")))
    assert cues_of(heard, clock(heard), "source") is None
    written = script(Utterance(1, Interval(1.0, 2.0), text=Text("yes it is", "en", "person")))
    cues = cues_of(written, clock(written), "source")
    assert cues is not None
    assert [(cue.start_s, cue.end_s, cue.lines) for cue in cues] == [(1.0, 2.0, ("yes it is",))]
    both = script(said(1, 1.0, "yes", seconds=0.8), said(2, 1.9, "no", seconds=0.8))
    cues = cues_of(both, clock(both), "target")
    assert cues is not None
    assert [cue.lines for cue in cues] == [("yes",), ("no",)]
    assert all(one.end_s <= other.start_s for one, other in pairwise(cues))


def test_a_known_sentence_is_spelled_as_it_is() -> None:
    def reference(ids: str, text: str, translation: str) -> Reference:
        return Reference(text, Units(np.array([*map(ord, ids)]), None, "ko", "v", is_merged=True), text, translation)

    known = [reference("abcdefghij", "역까지 가요?", "To the station?"), reference("abcdefgxyz", "집까지 가요?", "To your home?")]

    def found(ids: str, heard: str = "", vocabulary: str = "v") -> str:
        units = Units(np.array([*map(ord, ids)]), None, "ko", vocabulary, is_merged=True)
        one = known_sentence(units, known, heard)
        return "" if one is None else one.text

    assert found("abcdefghij") == found("abcdefghik") == "역까지 가요?"
    assert found("abcdefghij", vocabulary="w") == found("abcdefgh") == found("qrstuvwabc", "To the station?") == ""
    assert found("abcdeqqqij", "To the stacion?") == "역까지 가요?"  # it was surely heard
    assert found("abcdeqqqij", "Where is the bank?") == ""


def test_the_reader_s_misspelling_is_not_shown() -> None:
    bundle = find_bundle()
    known = read_references(bundle.references)
    (row,) = (one for one in known if one.text == "지하철역까지 어떻게 가요?")
    units = UnitList.of(row.units)
    assert units.durations is not None
    reader: Any = UnitReader.from_checkpoint(bundle.folder / "unit_to_text.safetensors")
    fit = TimeFit(Interval(0.0, 2.0), spoken_s=2.0, durations=units.durations)
    one = Utterance(1, Interval(0.0, 2.0), target=TranslatedUnits(units), units=units, fit=fit)
    texts = [read_target(one, reader, "ko", sentences).target.reading.text for sentences in ((), known)]
    assert texts == ["지하철격까지 어떻게 가요?", "지하철역까지 어떻게 가요?"]
    read = "How do I get to the sub way stashun?"
    words = tuple(Word(text, place, place + 1.0, 1.0) for place, text in enumerate(read.split()))
    heard = replace(one, text=Text(read, "en", "reader", words), quality=estimate(0.95))
    text = read_target(heard, reader, "ko", known).text
    assert (text.text, text.words[0].start_s, text.words[-1].end_s) == (row.translation, 0.0, 9.0)
    assert not text.is_by_person


def test_what_is_not_understood_is_not_shown_and_what_is_kept_may_be() -> None:
    heard = Text("a b", "en", "recognizer", READ)
    lost = [replace(said(k, k, "네"), text=text, quality=estimate(0.1)) for k, text in enumerate([heard, Text("Hello.", "en")], 1)]
    dubbed = script(*lost, Utterance(3, Interval(4.0, 6.0), text=heard, target=KeptOriginal("조금씩, 새는")))
    cues = {side: cues_of(dubbed, clock(dubbed), side) or [] for side in ("source", "target")}
    assert [cue.lines for cue in cues["source"]] == [("Hello.",), ("a b",)]  # a person's text stands
    assert [cue.lines for cue in cues["target"]] == [("네",), ("네",), ("조금씩, 새는",)]
    assert (cues["target"][2].start_s, cues["target"][2].end_s) == (4.0, 6.0)


def test_a_file_that_somebody_else_wrote_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def write(text: str, *, keeps_work: bool = True) -> dict[str, str]:
        store, spoken = Store(Path(mkdtemp(dir=tmp_path))), script(said(1, 1.0, text))
        store.use(tmp_path / "o.mp4.work" if keeps_work else store.folder)
        write_subtitles(spoken, clock(spoken), Subtitling(("target",)), tmp_path / "o.mp4", store)
        found = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("o.ko.*")}
        return {name: content.rstrip().split("\n")[-1] for name, content in found.items()}

    assert write("하나") == {"o.ko.srt": "하나"}
    assert write("둘") == {"o.ko.srt": "둘"}  # ours, as the work folder knows
    assert "is kept" not in caplog.text
    (tmp_path / "o.ko.srt").write_text("고친 것")
    assert write("셋") == {"o.ko.srt": "셋", "o.ko.srt.bak": "고친 것"}
    assert "o.ko.srt: warning: another file was there; it is kept as o.ko.srt.bak" in caplog.text
    assert write("셋", keeps_work=False) == {"o.ko.srt": "셋", "o.ko.srt.bak": "고친 것"}  # the same
    assert write("넷", keeps_work=False) == {"o.ko.srt": "넷", "o.ko.srt.bak": "고친 것", "o.ko.srt.bak2": "셋"}
    (tmp_path / "o.ko.srt").write_text("고친 것")
    assert write("넷", keeps_work=False) == {"o.ko.srt": "넷", "o.ko.srt.bak": "고친 것", "o.ko.srt.bak2": "셋"}  # kept once
