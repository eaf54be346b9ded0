"""A small corpus, and work on it without processes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.data.manifest import Entry, Manifest, read_manifest, write_manifest
from avcore.media import write_lip_video, write_speech
from avcore.pool import Processes
from avcore.processes import Call, Crew, DiedError, PoolSize
from netflips.bulk.settings import ExtractModels, ExtractSettings

LENGTHS = (53, 20, 75, 31, 53, 16, 40, 66, 25, 25)
"""Frames in each clip of the corpus; the first is the one of the numeric fixtures."""
DEADLY = "deadly"


class HereProcesses(Processes):
    """Stands in for processes where they are not what is tested: all is done in this one. Its workers die of DEADLY items."""

    def __init__(self, crew: Crew, _: PoolSize) -> None:
        self._crew = crew

    def new_worker(self, place: int) -> Any:
        return self._crew.worker_class(*self._crew.arguments)

    def load(self, worker: Any) -> Call:
        return Call(True, worker.load())

    def read(self, items: tuple[Any, ...]) -> Call:
        if any(getattr(item, "id", "") == DEADLY for item in items):
            return Call(True, error=DiedError("its worker died"))
        return Call(True, self._crew.read(*self._crew.read_arguments, items) if self._crew.read else items)

    def process(self, worker: Any, parts: Sequence[Call]) -> Call:
        errors = [part.error for part in parts if part.error]
        return Call(True, error=errors[0]) if errors else Call(True, worker.process(*(part.result for part in parts)))

    def wait(self, calls: Sequence[Call]) -> Sequence[Call]:
        return calls

    def result(self, call: Call) -> Any:
        if call.error:
            raise call.error
        return call.result

    def end(self, worker: Any) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netflips.bulk.spread.LocalProcesses", lambda crew, size, is_silent: HereProcesses(crew, size))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, parity_dir: Path) -> Path:
    """The manifest of ten clips with sound and lips, of which `fixture` has known units."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    (folder / "fixture.wav").write_bytes((parity_dir / "clip.wav").read_bytes())
    (folder / "fixture.lip.mp4").write_bytes((parity_dir / "clip_long.lip.mp4").read_bytes())
    names = ["fixture", *(f"spk{number % 3}/{number}" for number in range(1, len(LENGTHS)))]
    for name, length in zip(names[1:], LENGTHS[1:], strict=True):
        (folder / name).parent.mkdir(exist_ok=True)
        write_speech(folder / f"{name}.wav", (0.1 * rng.standard_normal(640 * length)).astype(np.float32))
        blocks = rng.integers(0, 256, (24, 24), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
        write_lip_video(folder / f"{name}.lip.mp4", (np.roll(blocks, frame, 1) for frame in range(length)))
    entries = [
        Entry(name, f"{name}.wav", lips=f"{name}.lip.mp4", duration_s=length / 25, language="en", speaker=name.split("/")[0])
        for name, length in zip(names, LENGTHS, strict=True)
    ]
    write_manifest(folder / "manifest.jsonl", entries)
    return folder / "manifest.jsonl"


@pytest.fixture
def manifest(corpus: Path) -> Manifest:
    return read_manifest(corpus)


@pytest.fixture
def encoder(parity_dir: Path) -> ExtractModels:
    return ExtractModels(parity_dir / "mavhubert.pt", parity_dir / "unit2av_spk_encoder.pt")


@pytest.fixture
def sound_only(tmp_path: Path) -> ExtractSettings:
    """Settings that take units from the sound, four utterances a shard."""
    return ExtractSettings(tmp_path / "out", frozenset({"audio"}), shard_size=4, batch_s=8.0)


def rows_of(folder: Path) -> list[dict]:
    """All rows of the JSON lines in a folder, in the order of the files."""
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
