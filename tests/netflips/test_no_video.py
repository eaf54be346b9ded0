"""What is no video, or has no sound, is refused in one line by every command that takes one, and nothing is written."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avcore.media import write_speech
from netflips import cli

CLIP = Path(__file__).resolve().parents[2] / "demo" / "clip.mp4"
PICTURE, SOUND = "this is a single picture; expected a video", "it has no sound track"
COMMANDS = {
    "dub {} --out-vid-path o.mp4 --cpu": PICTURE,
    "dub {} --out-vid-path o.mp4 --timing source --cpu": PICTURE,
    "dub clip.mp4 --out-vid-path o.mp4 --voice {} --cpu": SOUND,
    "dub clip.mp4 --out-vid-path o.mp4 --timing source --background-audio {} --cpu": SOUND,
    "dub clip.mp4 --out-vid-path o.mp4 --in-lip-path {} --cpu": PICTURE,
    "units --in-vid-path {} --out-unit-path o.txt --cpu": SOUND,
    "units --in-vid-path {} --out-unit-path o.txt --modalities video --cpu": PICTURE,
    "render --in-unit-path u.txt --in-vid-path {} --out-vid-path o.mp4 --cpu": PICTURE,
    "speak --in-unit-path u.txt --voice {} --out o.wav --cpu": SOUND,
    "say \uc548\ub155 --voice {} --out o.wav --cpu": SOUND,
    "transcribe {} --out o.srt --cpu": PICTURE,
    "transcribe {} --out o.srt --modalities audio --cpu": SOUND,
    "transcribe {} --out o.srt --modalities video --cpu": PICTURE,
    "lip2speech {} --out o.wav --from ko --cpu": "this is a still picture, which says nothing",
    "lipsync {} --speech voice.wav --out-vid-path o.mp4 --cpu": PICTURE,
    "lipsync clip.mp4 --speech {} --out-vid-path o.mp4 --cpu": SOUND,
    "evaluate dub {} --source clip.mp4 --out-dir o --cpu": "photo.png: a single picture (PNG)",
    "evaluate dub clip.mp4 --source {} --out-dir o --cpu": PICTURE,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(CLIP, "clip.mp4")
    Path("u.txt").write_text("1 2 3\n")
    write_speech("voice.wav", 0.1 * np.random.default_rng(0).standard_normal(16_000))
    Image.new("RGB", (64, 64)).save("photo.png")
    Path("text.mp4").write_text("no video\n")
    return tmp_path


@pytest.mark.parametrize(("words", "said"), COMMANDS.items())
def test_a_picture_and_a_text_are_refused(words: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.rglob("*"))
    for name, what in (("photo.png", said), ("text.mp4", "text.mp4: it cannot be read as video or sound")):
        assert cli.main(words.format(name).split()) == 2
        told = capsys.readouterr().err
        (line,) = (line for line in told.splitlines() if ": error: " in line)
        assert what in line
        assert "Traceback" not in told
        assert sorted(folder.rglob("*")) == before
