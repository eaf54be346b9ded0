"""The command: files in, unit file out, errors."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from av2unit import inference, sources
from avcore.errors import InputError, NoSpeechError, UsageError
from avcore.media import read_gray_video, write_lip_video

BOTH = frozenset({"audio", "video"})


@pytest.fixture
def unit_strings(parity_dir: Path) -> dict[str, str]:
    strings: dict[str, str] = json.loads((parity_dir / "manifest.json").read_text())["unit_strings"]
    return strings


def run(parity_dir: Path, source: Path, out: Path, *more: str) -> int:
    fixed = ["--in-vid-path", str(source), "--out-unit-path", str(out), "--av2unit-path", str(parity_dir / "mavhubert.pt")]
    return inference.main([*fixed, "--cpu", "--quiet", *more])


def test_files_give_the_references_units_and_lips_theirs(
    parity_dir: Path, unit_strings: dict[str, str], tmp_path: Path, extractor: inference.UnitExtractor
) -> None:
    out = tmp_path / "new folder" / "clip.units"
    assert run(parity_dir, parity_dir / "clip.wav", out, "--in-lip-path", str(parity_dir / "clip_long.lip.mp4")) == 0
    assert out.read_text() == unit_strings["av_padded"]
    assert run(parity_dir, parity_dir / "clip.wav", out, "--modalities", "audio") == 0
    assert out.read_text() == unit_strings["audio"]
    lip_path = parity_dir / "clip_long.lip.mp4"
    assert run(parity_dir, lip_path, tmp_path / "u", "--modalities", "video", "--in-lip-path", str(lip_path)) == 0
    units = extractor.extract(lips=read_gray_video(lip_path))
    assert (tmp_path / "u").read_text() == " ".join(map(str, units.frames()))


def test_flac_of_another_rate_is_read(parity_dir: Path, tmp_path: Path) -> None:
    sound, rate = soundfile.read(parity_dir / "clip.wav", dtype="float32")
    soundfile.write(tmp_path / "a name.flac", np.repeat(sound, 3).reshape(-1, 1) * [1, 0.5], 3 * rate)
    assert run(parity_dir, tmp_path / "a name.flac", tmp_path / "u", "--modalities", "audio") == 0
    assert len((tmp_path / "u").read_text().split()) == 100


def test_lips_are_found_in_the_video_and_a_side_file_is_not_taken_unasked(
    parity_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = tmp_path / "clip.mp4"
    video.write_bytes((parity_dir / "clip_long.lip.mp4").read_bytes())
    (tmp_path / "clip.lip.mp4").write_bytes(b"not to be read")
    crops = np.full((53, 96, 96), 90, dtype=np.uint8)
    asked: list[tuple[int, object, object]] = []

    def find(
        pictures: object, face: object, speech: object, progress: object, total: int, source: object, *_: object
    ) -> SimpleNamespace:
        asked.append((len(list(pictures)), face, source))
        return SimpleNamespace(lips=crops)

    monkeypatch.setattr(sources, "find_faces", find)
    speech, lips = sources.read_utterance(video, frozenset({"video"}), face=2)
    assert speech is None
    assert lips is crops
    assert asked == [(53, 2, video)]


def test_sound_and_lips_of_different_length_are_said(parity_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = read_gray_video(parity_dir / "clip_long.lip.mp4")
    write_lip_video(tmp_path / "short.mp4", frames[:20])
    speech, lips = sources.read_utterance(parity_dir / "clip.wav", BOTH, tmp_path / "short.mp4")
    assert speech is not None
    assert lips is not None
    assert (len(speech), len(lips)) == (32123, 20)
    assert "2.01 s of sound and 0.80 s of lips: the sound is cut to fit" in caplog.text


def test_modalities() -> None:
    for text, modalities in (("audio,video", BOTH), ("video, audio", BOTH), ("audio", {"audio"}), ("video", {"video"})):
        assert sources.parse_modalities(text) == modalities
    for text in ("", "text", "audio,", "audio,audio", "audio video"):
        with pytest.raises(UsageError, match="audio,video or audio or video"):
            sources.parse_modalities(text)


def test_a_whole_picture_is_no_lip_video_and_an_empty_sound_file_says_so(tmp_path: Path) -> None:
    write_lip_video(tmp_path / "talk.mp4", np.zeros((3, 240, 320), dtype=np.uint8))
    with pytest.raises(InputError, match="320 x 240"):
        sources.read_lip_video(tmp_path / "talk.mp4")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16_000)
    with pytest.raises(NoSpeechError, match="--modalities video"):
        sources.read_utterance(tmp_path / "empty.wav", frozenset({"audio"}))


@pytest.mark.parametrize(
    ("source", "more", "says"),
    [
        ("clip.wav", [], "--modalities audio"),
        ("clip_long.lip.mp4", ["--modalities", "audio"], "--modalities video"),
        ("clip.wav", ["--modalities", "sound"], "audio,video"),
        ("clip.wav", ["--modalities", "audio", "--face", "left"], "--face"),
        ("none.mp4", [], "not there"),
        ("text.mp4", [], "found a text file"),
        ("clip.wav", ["--modalities", "audio", "--av2unit-path", "{parity}/utut.pt"], "unit translator"),
        ("clip.wav", ["--in-lip-path", "{parity}/none.mp4"], "not there"),
        ("clip.wav", ["--modalities", "audio", "--precision", "float16"], "bfloat16"),
        ("clip.wav", ["--modalities", "audio", "--out-unit-path", "{parity}/clip.wav"], "overwrite"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    parity_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, more: list[str], says: str
) -> None:
    before = (parity_dir / "clip.wav").stat()
    options = [option.replace("{parity}", str(parity_dir)) for option in more]
    text = tmp_path / "text.mp4"
    text.write_text("<html>not a video</html>" * 50)
    assert run(parity_dir, text if source == text.name else parity_dir / source, tmp_path / "units", *options) == 2
    text.unlink()
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert (parity_dir / "clip.wav").stat() == before


def test_runs_as_a_script_from_any_folder(parity_dir: Path, unit_strings: dict[str, str], tmp_path: Path) -> None:
    script = Path(inference.__file__)
    options = ["--in-vid-path", str(parity_dir / "clip.wav"), "--av2unit-path", str(parity_dir / "mavhubert.pt")]
    command = [sys.executable, str(script), *options, "--out-unit-path", "units.txt", "--modalities", "audio", "--cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (tmp_path / "units.txt").read_text() == unit_strings["audio"]
    assert "100 units for 2.00 s" in done.stderr
    assert done.stdout == ""
