"""What speech has above 8 kHz, learnt and added: on made sounds whose upper half follows from the lower one."""

import json
from pathlib import Path

import numpy as np
import pytest

from avcore.arrays import Samples
from avcore.errors import CheckpointError
from avcore.media import write_speech
from avcore.speech.audio import resample
from unit2av.train_bandwidth import main
from unit2av.voice.bandwidth import LOW, WIDE_RATE, BandExtender, band_energies

_S = WIDE_RATE


def made_speech(seed: int, seconds: float = 3.0) -> Samples:
    """Vowels, which end below 6 kHz, hisses, which reach to 11, and silence, by turns of 100 ms: float32 [S] at 24 kHz."""
    rng = np.random.default_rng(seed)
    count = round(seconds * 10)
    frequencies = np.fft.rfftfreq(_S // 10, 1 / _S)
    slopes = {"hiss": (frequencies > 3000) & (frequencies < 11_000), "vowel": (frequencies < 6000) / (1 + frequencies / 500)}
    parts = []
    for _ in range(count):
        kind = ("hiss", "vowel", "silence")[rng.integers(3)]
        noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(_S // 10)) * slopes.get(kind, 0 * frequencies))
        parts.append(noise * 0.1)
    return np.asarray(np.concatenate(parts), np.float32)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wide")
    for seed in range(14):
        write_speech(folder / f"{seed}.wav", made_speech(seed), _S)
    path = folder / "wide.jsonl"
    path.write_text("".join(json.dumps({"id": str(seed), "audio": f"{seed}.wav"}) + "\n" for seed in range(14)))
    return path


@pytest.fixture(scope="module")
def extender(manifest: Path) -> BandExtender:
    out = manifest.parent / "bandwidth.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unit2av.train_bandwidth._STEPS", 300)
        assert main([str(manifest), "--out-path", str(out), "--quiet"]) == 0
    return BandExtender.load(out)


def test_hisses_reach_higher_and_vowels_do_not(extender: BandExtender) -> None:
    wide = made_speech(99)
    made = extender.extend(resample(wide, _S, 16_000))
    assert made.shape == wide.shape
    truth, found = (band_energies(one, _S)[0][:, LOW : LOW + 6].sum(axis=1) for one in (wide, made))
    hissing = truth > 1e-2
    assert hissing.mean() > 0.15
    assert abs(10 * np.log10(found[hissing].sum() / truth[hissing].sum())) < 2.0
    assert np.percentile(found[truth < 1e-6], 80) < 1e-2 * found[hissing].mean()


def test_what_is_below_stays_and_silence_stays_silent(extender: BandExtender) -> None:
    speech = resample(made_speech(98), _S, 16_000)
    made = extender.extend(np.concatenate([speech, np.zeros(16_000, np.float32)]))
    back = resample(made, _S, 16_000)[: len(speech)]
    low = [np.fft.rfft(one)[: len(speech) * 7 // 16] for one in (speech, back)]  # below 7 kHz
    assert np.abs(low[0] - low[1]).max() < 0.02 * np.abs(low[0]).max()
    assert np.abs(made[-_S // 2 :]).max() < 1e-4
    np.testing.assert_array_equal(extender.extend(speech), extender.extend(speech))
    assert extender.extend(np.zeros(0, np.float32)).shape == (0,)


def test_recordings_that_end_at_8_khz_teach_nothing(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(14):
        narrow = resample(made_speech(seed), _S, 16_000)
        write_speech(tmp_path / f"{seed}.wav", resample(narrow, 16_000, _S) if seed % 2 else narrow, _S if seed % 2 else 16_000)
    (tmp_path / "narrow.jsonl").write_text(manifest.read_text())
    out = tmp_path / "bandwidth.npz"
    assert main([str(tmp_path / "narrow.jsonl"), "--root", str(tmp_path), "--out-path", str(out), "--quiet"]) == 2
    assert not out.exists()
    told = capsys.readouterr().err
    assert "14 recordings have nothing above 8 kHz, and teach nothing: " in told
    assert "this is too little to learn the band from" in told


def test_bad_files_are_one_line(extender: BandExtender, tmp_path: Path) -> None:
    damaged = tmp_path / "bandwidth.npz"
    damaged.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(CheckpointError, match="no band extension"):
        BandExtender.load(damaged)
    BandExtender(extender.weights[1:], extender.biases[1:]).save(damaged)
    with pytest.raises(CheckpointError, match="layers from 112 to 8"):
        BandExtender.load(damaged)
