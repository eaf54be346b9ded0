"""One utterance of a recording in the user's own words: it alone changes, all else is what was kept."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avcore.errors import InputError, UsageError, VocabularyError
from avcore.media import VideoWriter
from netflips.commands.dub_options import DubCommand
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.model_paths import ModelPaths
from netflips.models import Models
from netflips.script.files import write_script
from netflips.script.targets import WrittenText
from netflips.script.utterance import Utterance
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.netflips.dubbing.made import RATE, decode, given_text, work_made, write_times
from tests.refusal import refused
from unit2av.lipsync.backend import LipSyncChoice
from unit2av.stage import RENDERER

TEXT = "두 번째 문장입니다."


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> dict[Path, list[np.ndarray]]:
    """The samples of each output, as they go to its encoder."""
    written: dict[Path, list[np.ndarray]] = defaultdict(list)
    write = VideoWriter.write_sound

    def write_sound(self: VideoWriter, samples: np.ndarray) -> None:
        written[Path(self.path)].append(samples.copy())
        write(self, samples)

    monkeypatch.setattr(VideoWriter, "write_sound", write_sound)
    return written


def test_only_the_utterance_with_a_text_changes(
    recording: Path, spelling: Models, settings: DubOptions, sound: dict[Path, list[np.ndarray]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    times, before, after = tmp_path / "times.json", tmp_path / "before.mp4", tmp_path / "after.mp4"
    first = dub(recording, before, spelling, settings)
    one, two, three = first.utterances
    write_script(times, replace(first, utterances=(one, replace(two, target=WrittenText(TEXT)), three)))
    report = dub(recording, after, spelling, replace(settings, script_in=times))
    assert work_made(report) == {"texts": 1, "speech": 1, "frames": 2}  # a piece is its video and its times
    utterances = report.processed
    assert [given_text(one) for one in utterances] == ["", TEXT, ""]
    assert [one.score is None for one in utterances] == [False, True, False]
    assert utterances[1].speaker == first.processed[1].speaker
    assert utterances[1].drawn.drawn > 30
    assert utterances[::2] == first.processed[::2]

    told, second, third = (decode(after), *utterances[1:])
    plain = decode(before)
    elsewhere = (plain.times < second.place.start_s) | (plain.times >= third.place.start_s)
    assert np.array_equal(told.times, plain.times)
    assert np.array_equal(told.frames[elsewhere], plain.frames[elsewhere])
    change = np.abs(told.frames.astype(int) - plain.frames)
    assert change[~elsewhere][:, 70:90, 70:90].mean() > 2  # other lips
    # As they go to the encoder: AAC's own state reaches on behind what was changed, by less than 0.002.
    begin, end = round(second.place.start_s * RATE), round(max(second.place.end_s, second.fit.output.end_s) * RATE)
    old, new = (np.concatenate(sound[path]) for path in (before, after))
    edge = round(0.02 * RATE) + 1  # of a fade
    assert np.array_equal(new[: begin - edge], old[: begin - edge])
    assert np.array_equal(new[end + edge :], old[end + edge :])
    assert np.abs(new[begin:end] - old[begin:end]).max() > 0.02
    assert np.abs(told.sound[end + edge :] - plain.sound[end + edge :]).max() < 0.002

    monkeypatch.setattr("netflips.dubbing.text_speech.READING", 10_000)  # read by other rules, the same text may be other words
    assert work_made(dub(recording, after, spelling, replace(settings, script_in=times))) == {"texts": 1}


def test_korean_subtitles_are_spoken_and_english_ones_are_heard(
    recording: Path, spelling: Models, settings: DubOptions, tmp_path: Path
) -> None:
    times = ["00:00:00,900 --> 00:00:03,700", "00:00:03,500 --> 00:00:07,200", "00:00:08,200 --> 00:01:00,000"]
    written = {
        "ko.srt": (["첫 번째입니다.", "[음악]\n- **두 번째**입니다.", "세 번째 😊"], "cp949"),
        "en.srt": (["The first.", "The second one.", "And the third."], "utf-16"),
        "both.srt": (["The first.\n첫 번째입니다.", "두 번째입니다.\nThe second one.", "And the third."], "utf-8"),
    }
    for name, (texts, encoding) in written.items():
        rows = "\n\n".join(f"{number}\n{time}\n{text}" for number, (time, text) in enumerate(zip(times, texts, strict=True), 1))
        (tmp_path / name).write_bytes(rows.encode(encoding, "ignore"))
    asked = replace(settings, subtitles="target")
    report = dub(recording, tmp_path / "a.mp4", spelling, replace(asked, script_in=tmp_path / "ko.srt"))
    said = ["첫 번째입니다.", "두 번째입니다.", "세 번째"]
    assert [given_text(one) for one in report.processed] == said
    assert all(one.score is None for one in report.processed)
    lines = (tmp_path / "a.ko.srt").read_text(encoding="utf-8").split("\n")
    shown = [line for line in lines if line and "-->" not in line and not line.isdigit()]  # the second goes on over a cut
    assert " ".join(shown) == " ".join(said)
    (notice,) = (one for one in report.warnings if one.startswith("ko.srt"))
    assert "2 of 3 cues were put right: 1 overlapped (1), 1 ended after the recording (3)" in notice
    assert "left out of what is said: -, [음악]" in notice
    assert notice.endswith("read as CP949")

    quick = replace(settings, modalities="audio", lips=LipSyncChoice("none"))
    english = dub(recording, tmp_path / "b.mp4", spelling, replace(quick, script_in=tmp_path / "en.srt"))
    assert [one.text.text for one in english.processed] == ["The first.", "The second one.", "And the third."]
    assert [given_text(one) for one in english.processed] == ["", "", ""]

    both = dub(recording, tmp_path / "c.mp4", spelling, replace(quick, script_in=tmp_path / "both.srt"))
    assert [one.text.text for one in both.processed] == ["The first.", "The second one.", "And the third."]
    assert [given_text(one) for one in both.processed] == ["첫 번째입니다.", "두 번째입니다.", ""]


def test_a_reading_is_spoken_and_the_word_is_shown(recording: Path, spelling: Models, settings: DubOptions, tmp_path: Path) -> None:
    words, subtitles = tmp_path / "words.csv", tmp_path / "talk.srt"
    words.write_text("Qumo, 쿠모\n", encoding="utf-8")

    def first(text: str, pronounce: Path | None) -> Utterance:
        subtitles.write_text(f"1\n00:00:00,700 --> 00:00:02,500\n{text}\n", encoding="utf-8")
        asked = replace(settings, script_in=subtitles, pronounce=pronounce, draft=tmp_path / "draft.json")
        return dub(recording, tmp_path / "x.mp4", spelling, asked).utterances[0]

    plain, read, written = first("Qumo를 봅니다.", None), first("Qumo를 봅니다.", words), first("쿠모를 봅니다.", None)
    assert read.units == written.units != plain.units
    assert given_text(read) == "Qumo를 봅니다."


def test_a_text_that_cannot_be_said_is_refused_before_any_work(
    recording: Path, models: Models, spelling: Models, paths: ModelPaths, settings: DubOptions, tmp_path: Path
) -> None:
    told = replace(settings, script_in=write_times(tmp_path / "a.json", (1.0, 2.5, TEXT)), work_dir=tmp_path / "work")
    other = write_random_text_to_unit(tmp_path / "other.safetensors", vocabulary="sha256:another")
    vocoder: Any = SimpleNamespace(vocabulary="sha256:one")
    foreign = replace(models, loaded=models.loaded | {RENDERER: vocoder}, paths=replace(paths, others={"text-to-unit.ko": other}))
    strange = replace(told, script_in=write_times(tmp_path / "b.json", (1.0, 2.5, "좋아요 ש")))
    refused(UsageError, "there is no text-to-unit model", dub, recording, tmp_path / "x.mp4", models, told)
    refused(InputError, r"b\.json: the text of utterance 1", dub, recording, tmp_path / "x.mp4", spelling, strange)
    refused(VocabularyError, "text-to-unit", dub, recording, tmp_path / "x.mp4", foreign, told)
    assert not (tmp_path / "x.mp4").exists()
    with pytest.raises(UsageError, match="belongs to --script-in"):
        DubCommand(videos=["x.mp4"], text2unit_path="text_to_unit.safetensors")  # type: ignore[list-item, arg-type]
