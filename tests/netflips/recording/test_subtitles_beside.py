"""`netflips dub --subtitles`: files of what was heard and what is said, beside the dub."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import UsageError
from avcore.units import Units
from avdata.spoken_texts import SpokenText
from netflips.dub.command import main
from netflips.models import Models
from netflips.options import DubOptions, ModelPaths
from netflips.pipeline import dub
from netflips.subtitles.beside import Subtitling
from tests.netflips.conftest import write_clip
from tests.unit2text.tiny import write_reader
from unit2text.training.corpus import Corpus


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader with random weights of both languages: what it finds means nothing."""
    texts = {"en": "the end of it", "ko": "그 끝이요"}
    said = tuple(SpokenText(name, text, name, Units.from_frames([1])) for name, text in texts.items())
    return write_reader(tmp_path_factory.mktemp("reader") / "reader.safetensors", Corpus(said, said, "", 1000))


def times(path: Path) -> list[float]:
    stamps = re.findall(r"(\d\d):(\d\d):(\d\d)[.,](\d{3})", path.read_text(encoding="utf-8"))
    return [3600 * int(hours) + 60 * int(minutes) + int(seconds) + int(rest) / 1000 for hours, minutes, seconds, rest in stamps]


def test_a_recording_has_both_sides_where_they_are_spoken(
    recording: Path, models: Models, options: DubOptions, reader: Path, tmp_path: Path
) -> None:
    out = tmp_path / "talk_ko.mp4"
    report = dub(recording, out, models, replace(options, subtitles=Subtitling(reader)))
    assert report.recording is not None
    for language in ("en", "ko"):
        found = times(tmp_path / f"talk_ko.{language}.srt")
        assert found == sorted(found)
        assert found[-1] <= report.output_s + 0.1
        first = report.recording.utterances[0]
        assert first.output_start_s - 1.0 <= found[0]


def test_a_short_clip_has_subtitles_as_long_as_its_new_speech(
    models: Models, speech: np.ndarray, reader: Path, tmp_path: Path
) -> None:
    clip, out = write_clip(tmp_path / "clip.mp4", speech), tmp_path / "out.mp4"
    asked = Subtitling(reader, ("target",), ".vtt")
    report = dub(clip, out, models, DubOptions(beam=1, max_target_units=20, modalities="audio", timing="free", subtitles=asked))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.ko.vtt", "out.mp4"]
    found = times(tmp_path / "out.ko.vtt")
    assert found[-1] <= report.output_s + 0.01


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--subtitles", "both", "--unit2text-path", "{reader}"], "--subtitles cannot be used"),
        (["--subtitles", "target", "--unit2text-path", "{lips}"], "reads no units of a dub"),
        (["--subtitles", "target", "--unit2text-path", "{utut}"], "this is no text reader checkpoint"),
        (["--unit2text-path", "{reader}"], "--unit2text-path belongs to --subtitles"),
    ],
)
def test_what_cannot_be_is_found_out_before_anything_is_dubbed(
    flags: list[str],
    complaint: str,
    paths: ModelPaths,
    clip: Path,
    reader: Path,
    parity_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = ["--av2unit-path", paths.av2unit, "--utut-path", paths.utut, "--unit2av-path", paths.unit2av]
    names = {"reader": reader, "lips": parity_dir / "unit2text" / "finetuned.pt", "utut": paths.utut}
    given = [str(clip), "--out-vid-path", str(tmp_path / "x.mp4"), "--src-lang", "en", "--tgt-lang", "ko", "--cpu", "--quiet"]
    assert main([*given, *map(str, models), *(flag.format(**names) for flag in flags)]) == 2
    assert complaint in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_sides_and_formats_that_there_are() -> None:
    with pytest.raises(UsageError, match="source, target or source,target"):
        Subtitling(Path("x"), ("source", "source"))
    with pytest.raises(UsageError, match=r"\.srt or \.vtt"):
        Subtitling(Path("x"), ("source",), ".ass")
