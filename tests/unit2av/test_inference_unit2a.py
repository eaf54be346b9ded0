"""The command that says units, in its own form and in the published one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.media import read_speech, write_speech
from unit2av.inference_unit2a import main


@pytest.fixture
def files(parity_dir: Path, tmp_path: Path) -> dict[str, str]:
    """Options of a run that works: case 0 of the parity fixtures."""
    inputs = np.load(parity_dir / "unit2av_inputs.npz")
    (tmp_path / "units.txt").write_text(" ".join(map(str, inputs["case0_units"])))
    write_speech(tmp_path / "voice.wav", inputs["speaker_wav_i16"] / 32768)
    np.save(tmp_path / "voice.npy", inputs["spk_embed"])
    return {
        "--in-unit-path": str(tmp_path / "units.txt"),
        "--voice": str(tmp_path / "voice.wav"),
        "--out": str(tmp_path / "out" / "speech.wav"),
        "--tgt-lang": "en",
        "--unit2av-path": str(parity_dir / "unit2av_renderer.pt"),
        "--speaker-encoder-path": str(parity_dir / "unit2av_spk_encoder.pt"),
    }


def run(options: dict[str, str], *more: str) -> int:
    return main([*(word for pair in options.items() for word in pair), "--cpu", *more])


def samples(options: dict[str, str]) -> np.ndarray:
    return read_speech(options["--out"])


def test_units_are_said_as_the_reference_says_them(files: dict[str, str], parity_dir: Path) -> None:
    expected = np.load(parity_dir / "unit2av_expected.npz")["case0_wav_pcm16"]
    assert run(files) == 0
    assert np.abs(np.round(samples(files) * 32768) - expected).max() <= 1


def test_frame_ids_keep_their_durations_and_speech_may_be_slower(files: dict[str, str]) -> None:
    count = len(Path(files["--in-unit-path"]).read_text().split())
    assert run(files, "--no-durations") == 0
    assert len(samples(files)) == 320 * count
    assert run(files) == 0
    normal = len(samples(files))
    assert run(files, "--speed", "0.5") == 0
    assert 1.5 * normal < len(samples(files)) < 3 * normal


def test_a_unit_offset_is_taken(files: dict[str, str]) -> None:
    files["--tgt-lang"] = "ko"
    assert run(files, "--vocoder-unit-offset", "0") == 0
    plain = samples(files)
    assert run(files, "--vocoder-unit-offset", "4") == 0
    assert not np.array_equal(samples(files)[: len(plain)], plain)
    shifted = samples(files)
    codes = [int(code) + 4 for code in Path(files["--in-unit-path"]).read_text().split()]
    Path(files["--in-unit-path"]).write_text(" ".join(map(str, codes)))
    assert run(files, "--vocoder-unit-offset", "0") == 0
    np.testing.assert_array_equal(samples(files), shifted)


def test_an_undecided_offset_is_one_line_of_warning(files: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(files, "--quiet") == 0
    assert capfd.readouterr().err == ""
    files["--tgt-lang"] = "ko"
    assert run(files, "--quiet") == 0
    assert capfd.readouterr().err.count("--vocoder-unit-offset") == 1


def write(path: str, content: bytes | str) -> str:
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda files: files.pop("--voice"), "missing: --voice"),
        (lambda files: files.update({"--in-unit-path": "nowhere.txt"}), "nowhere.txt"),
        (lambda files: write(files["--in-unit-path"], "1 2 x"), "token 2 is not a unit"),
        (lambda files: write(files["--in-unit-path"], "1 2 1000"), "units.txt: unit at position 2"),
        (lambda files: write(files["--in-unit-path"], "-1 -1"), "no units to say"),
        (lambda files: write(files["--voice"], "not sound"), "voice.wav"),
        (lambda files: write_speech(files["--voice"], np.zeros(48_000)), "not enough sound"),
        (lambda files: files.update({"--tgt-lang": "fr"}), "one of en, ko"),
        (lambda files: files.update({"--unit2av-path": files["--speaker-encoder-path"]}), "no renderer checkpoint"),
        (lambda files: files.update({"--speaker-encoder-path": files["--unit2av-path"]}), "no speaker encoder"),
        (lambda files: files.update({"--out": files["--in-unit-path"]}), "overwrite the unit file"),
        (lambda files: files.update({"--out": str(Path(files["--in-unit-path"]).parent)}), "a folder"),
        (lambda files: files.update({"--vocoder-unit-offset": "1000"}), "unit offset"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(files, spoil, complaint, tmp_path, capfd: pytest.CaptureFixture[str]) -> None:
    units_before = Path(files["--in-unit-path"]).read_bytes()
    spoil(files)
    assert run(files) == 2
    error = capfd.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("speech.wav"))
    if "overwrite" in complaint:
        assert Path(files["--in-unit-path"]).read_bytes() == units_before


@pytest.fixture
def published(parity_dir: Path, tmp_path: Path) -> dict[str, str]:
    """Options of the published command: frame-level units of case 0 in a .pt file."""
    content = torch.load(parity_dir / "unit2av_renderer.pt", weights_only=True)
    torch.save({"generator": content["audio"]["en"]}, tmp_path / "g_00500000")
    shutil.copy(parity_dir / "unit2av_config.json", tmp_path / "config.json")
    truth = np.load(parity_dir / "unit2av_expected.npz")
    frames = np.repeat(truth["case0_units_dedup"], truth["case0_dur"])
    voice = torch.from_numpy(np.load(parity_dir / "unit2av_inputs.npz")["spk_embed"])
    torch.save({"code": torch.from_numpy(frames), "spkr": voice.reshape(1, 1, -1)}, tmp_path / "talk_preprocessed.pt")
    return {
        "--checkpoint": str(tmp_path / "g_00500000"),
        "--config": str(tmp_path / "config.json"),
        "--input_file": str(tmp_path / "talk_preprocessed.pt"),
        "--output_folder": str(tmp_path / "spoken"),
    }


@pytest.mark.parametrize("has_flat_voice", [False, True])
def test_the_published_command(published: dict[str, str], parity_dir: Path, tmp_path: Path, has_flat_voice: bool) -> None:
    if has_flat_voice:
        content = torch.load(published["--input_file"])
        torch.save({**content, "spkr": content["spkr"].reshape(-1)}, published["--input_file"])
    assert run(published) == 0
    expected = np.load(parity_dir / "unit2av_expected.npz")["case0_wav_pcm16"]
    spoken = read_speech(tmp_path / "spoken" / "talk_00500000step.wav")
    assert np.abs(np.round(spoken * 32768) - expected).max() <= 1


def test_the_published_command_writes_in_place(published: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    del published["--output_folder"], published["--config"]
    assert run(published) == 0
    assert (tmp_path / "output" / "unit2a" / "talk_00500000step.wav").is_file()


def test_the_published_configuration_is_obeyed_half_not(published: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    config = json.loads(Path(published["--config"]).read_text())
    write(published["--config"], json.dumps({**config, "upsample_rates": [5, 4, 4, 2, 4]}))
    assert run(published) == 2
    assert "expected 320" in capfd.readouterr().err
    for content in ("{", "[]"):
        write(published["--config"], content)
        assert run(published) == 2
        assert "config.json" in capfd.readouterr().err
    del published["--input_file"]
    assert run(published) == 2
    assert "missing: --input_file" in capfd.readouterr().err
