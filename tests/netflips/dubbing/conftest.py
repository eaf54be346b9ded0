"""Models whose speech and lips can be told apart from anything else, and the random ones."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avcore.timeline import SAMPLES_PER_UNIT, units_to_samples
from avcore.units import Units
from netflips.dubbing.options import DubOptions
from netflips.model_paths import ModelPaths
from netflips.models import Models
from tests.netflips.commands.test_say import write_random_text_to_unit
from tests.netflips.dubbing.made import CUT_S, FRAME_RATE, PLAN, RATE, head_frames, speech, steady_times, write_recording
from unit2av.stage import RENDERER

MARK = 7
"""The unit that `telltale_models` say as a click and show as a white mouth."""


class TelltaleVocoder:
    """Hums, with a click where unit MARK begins; each unit is wanted for `natural` steps."""

    def __init__(self, vocoder: Any, natural: int = 5) -> None:
        self._vocoder, self.natural = vocoder, natural
        self.language, self.unit_offset, self.speaker_dim = vocoder.language, vocoder.unit_offset, vocoder.speaker_dim
        self.takes_pitch, self.vocabulary, self.speaker_encoder = False, vocoder.vocabulary, ""

    def predict_durations(self, units: Units) -> Units:
        merged = units.merged()
        return replace(merged, durations=np.full(len(merged), self.natural))

    def iter_synthesize(self, units: Units, speaker: np.ndarray) -> Iterator[np.ndarray]:
        sound = 0.02 * np.sin(np.arange(units_to_samples(units.num_steps)) / 10).astype(np.float32)  # so that it is not silent
        frames = units.frames()
        for step in np.flatnonzero((frames == MARK) & (np.append(-1, frames[:-1]) != MARK)):
            sound[units_to_samples(int(step)) :][: SAMPLES_PER_UNIT // 2] = 0.9
        yield sound


class TelltaleRenderer:
    """Draws a white face where unit MARK is in a code's 40 ms and a black one elsewhere."""

    dtype, num_units, vocabulary = torch.float32, 1000, ""

    def codes(self, units: Units) -> torch.Tensor:
        frames = units.frames()
        padded = np.pad(frames, (0, -len(frames) % 20), mode="edge")
        return torch.from_numpy((padded == MARK).reshape(-1, 2).any(axis=1).astype(np.float32))[:, None]

    def draw(self, codes: torch.Tensor, faces: Any, times: Any, first_row: int = 0) -> np.ndarray:
        rows = [min(int(time * 25), len(codes) - 1) for time in times]
        return np.stack([np.full((96, 96, 3), int(codes[row, 0]) * 255, np.uint8) for row in rows])


@pytest.fixture
def telltale_models(models: Models, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Models]:
    """Models that translate any utterance into the same 30 units, the 16th of them MARK, of so many steps each."""

    def make(natural: int) -> Models:
        ids = np.tile([1, 2], 15)
        ids[15] = MARK
        real = models.translator.translate_batch

        def translate(sequences: Any, *arguments: Any) -> Any:
            made = real(sequences, *arguments)
            return [replace(one, units=Units(ids, None, "ko", one.units.vocabulary)) for one in made]

        monkeypatch.setattr(models.translator, "translate_batch", translate)
        vocoder: Any = TelltaleVocoder(models.vocoder, natural)
        made = replace(models, loaded=models.loaded | {RENDERER: vocoder})
        made.kept("renderer", TelltaleRenderer)
        return made

    return make


@pytest.fixture
def options(tmp_path: Path) -> DubOptions:
    return DubOptions(beam=1, max_target_units=20, modalities="audio", timing="source")


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head that talks, another one after a cut, stereo sound with a tone over all of it."""
    times = steady_times(FRAME_RATE, sum(PLAN) + 0.05)  # no frame is missing at its end
    first, second = head_frames(times), head_frames(times, seed=4)  # two who look less alike than one from two sides
    frames = [second[k] if time >= CUT_S else first[k] for k, time in enumerate(times)]
    sound = speech(PLAN, RATE)
    tone = 0.01 * np.sin(np.arange(len(sound)) * 2 * np.pi * 330 / RATE)
    return write_recording(
        tmp_path_factory.mktemp("made") / "talk.mp4", times, frames, (sound + tone[:, None]).astype(np.float32), RATE
    )


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> DubOptions:
    return DubOptions(beam=1, max_target_units=30, work_dir=tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seen")


@pytest.fixture
def work(seen: Path, tmp_path: Path) -> Iterator[Path]:
    """A work folder of the test's own, in which faces, scenes and sound that tests before found are kept, and nothing else."""
    here = shutil.copytree(seen, tmp_path / "work")
    yield here
    for path in (*here.glob("kept.jsonl"), *here.glob("faces/*"), *here.glob("scenes/*"), *here.glob("sound/*")):
        (seen / path.parent.relative_to(here)).mkdir(exist_ok=True)
        shutil.copy(path, seen / path.relative_to(here))


@pytest.fixture(scope="session")
def spelling(models: Models, paths: ModelPaths, tmp_path_factory: pytest.TempPathFactory) -> Models:
    """The random models with a text-to-unit model beside them."""
    path = write_random_text_to_unit(tmp_path_factory.mktemp("text-to-unit") / "text2unit.safetensors")
    return replace(models, paths=replace(paths, others={"text-to-unit": path}))
