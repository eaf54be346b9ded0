"""The program as a user runs it: in a process of its own, from another folder, on a raw video with a face."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from avcore.media import FrameSource, probe
from netflips.script.files import script_from
from recipes.demo.random.random_checkpoints import (
    KOREAN_TRANSLATOR,
    RENDERER,
    SPEAKER_ENCODER,
    UNIT_ENCODER,
    write_random_checkpoints,
)
from tests.netflips.conftest import config
from tests.signals import hear_ctrl_c

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "docs" / "clip" / "clip.mp4"
ENTRIES = ("av2unit/inference.py", "unit2unit/inference.py", "unit2av/inference_unit2a.py", "unit2av/inference_unit2av.py")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    write_random_checkpoints(folder, "tiny")
    return folder


def _dub_command(checkpoints: Path, out: Path, *more: str) -> list[str]:
    return [
        sys.executable, str(ROOT / "inference_av2av.py"), "--in-vid-path", str(CLIP), "--out-vid-path", str(out),
        "--src-lang", "en", "--tgt-lang", "ko", "--av2unit-path", str(checkpoints / UNIT_ENCODER),
        "--utut-path", str(checkpoints / KOREAN_TRANSLATOR), "--unit2av-path", str(checkpoints / RENDERER),
        *config(speaker_encoder_path=checkpoints / SPEAKER_ENCODER, check="off"), "--beam", "2", "--cpu", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def dubbed(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a dub and its report."""
    folder = tmp_path_factory.mktemp("dubbed")
    more = ("--report", "report.json", *config(hard_paste=True), "--max-target-units", "60")
    command = _dub_command(checkpoints, Path("dubbed.mp4"), *more)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_raw_video_is_dubbed_from_another_folder(dubbed: Path) -> None:
    content = script_from(json.loads((dubbed / "report.json").read_text()))
    assert content.num_drawn == content.result.frames
    assert probe(dubbed / "dubbed.mp4").comment.startswith("synthetic: NetfLips")
    before, after = (next(iter(FrameSource(path))).rgb.astype(int) for path in (CLIP, dubbed / "dubbed.mp4"))
    changed = np.abs(before - after).mean(axis=2) > 30
    rows, columns = np.nonzero(changed)
    x1, y1, x2, y2 = content.processed[0].seen.tracks[0].mean_box
    assert changed[int(y1) + 10 : int(y2) - 10, int(x1) + 10 : int(x2) - 10].mean() > 0.5
    assert (rows.min() > y1 - 15, rows.max() < y2 + 15, columns.min() > x1 - 15, columns.max() < x2 + 15) == (True,) * 4


def test_the_stages_one_by_one_give_the_same_units(
    checkpoints: Path, dubbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def run(module: str, *arguments: str) -> None:
        assert import_module(module).main([*arguments, "--cpu"]) == 0

    extracted = ["--in-vid-path", str(CLIP), "--out-unit-path", "en.txt", "--av2unit-path", str(checkpoints / UNIT_ENCODER)]
    run("av2unit.inference", *extracted)
    languages = ["--src-lang", "en", "--tgt-lang", "ko", "--utut-path", str(checkpoints / KOREAN_TRANSLATOR)]
    limits = ["--beam", "2", "--max-target-units", "60"]
    run("unit2unit.inference", "--in-unit-path", "en.txt", "--out-unit-path", "units/ko.txt", *languages, *limits)
    renderer = ["--tgt-lang", "ko", "--unit2av-path", str(checkpoints / RENDERER), "--in-unit-path", "units/ko.txt"]
    voice = ["--voice", str(CLIP), "--speaker-encoder-path", str(checkpoints / SPEAKER_ENCODER)]
    run("unit2av.inference_unit2a", *renderer, *voice, "--out", "ko.wav")
    run("unit2av.inference_unit2av", *renderer, *voice, "--in-vid-path", str(CLIP), "--out-vid-path", "ko.mp4")
    assert not (tmp_path / "en.txt").read_text().endswith("\n")
    assert len((tmp_path / "en.txt").read_text().split()) == 2 * len(FrameSource(CLIP))
    seconds = probe(tmp_path / "ko.wav").duration_s
    assert abs(probe(tmp_path / "ko.mp4").duration_s - seconds) <= 0.04
    (told,) = script_from(json.loads((dubbed / "report.json").read_text())).processed
    assert round(told.fit.spoken_s * 50) == round(seconds * 50)


@pytest.mark.parametrize("file", ENTRIES)
def test_every_entry_runs_as_a_file_from_anywhere(file: str, tmp_path: Path) -> None:
    """All are run as modules by the tests of the pages."""
    done = subprocess.run([sys.executable, ROOT / file, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "--precision" in done.stdout


def test_ctrl_c_leaves_nothing(checkpoints: Path, tmp_path: Path) -> None:
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        _dub_command(checkpoints, out / "x.mp4", "--max-target-units", "150"),
        env=environment,
        stderr=subprocess.PIPE,
        preexec_fn=hear_ctrl_c,
    )
    deadline = time.monotonic() + 120
    while not (out.exists() and any(path.stat().st_size for path in out.iterdir())):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert b"interrupted" in error
    assert b"Traceback" not in error
    assert list(out.iterdir()) == []
    assert list(temporary.iterdir()) == []


def test_stages_load_no_heavy_libraries_at_import() -> None:
    heavy = {"ai_edge_litert", "av", "cv2", "ray", "accelerate", "fairseq", "sklearn"}
    code = f"import sys, unit2unit.inference, unit2av.voice.speech; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
