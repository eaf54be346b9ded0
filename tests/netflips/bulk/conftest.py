"""One Ray session for all tests here, and a small corpus."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from avcore.media import write_lip_video, write_speech
from avcore.pool import Finished, Lost, PoolSize, PoolTask
from avdata.manifest import Entry, Manifest, read_manifest, write_manifest
from netflips.bulk.session import ray_session
from netflips.bulk.settings import ExtractModels, ExtractSettings

LENGTHS = (53, 20, 75, 31, 53, 16, 40, 66, 25, 25)
"""Pictures in each clip of the corpus; the first is the one of the numeric fixtures."""
DEADLY = "deadly"


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """Ray for the whole session; commands that start their own then use this one."""
    with ray_session(2):
        yield


class HerePool:
    """Stands in for RayPool where Ray's processes are not what is tested: it reads and works in this one. DEADLY items are lost."""

    def __init__(
        self,
        worker_class: type,
        given: Sequence[Any],
        _: PoolSize,
        read: Callable[..., Any] | None = None,
        more: Sequence[Any] = (),
    ) -> None:
        self._worker, self._read, self._more = worker_class(*given), read, more

    def __class_getitem__(cls, _: Any) -> type[Self]:
        return cls

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def start(self) -> None:
        assert self._worker.load() == ""

    def run(self, tasks: Iterable[tuple[Any, PoolTask[Any]]]) -> Iterator[Finished[Any, Any] | Lost[Any, Any]]:
        for label, task in tasks:
            yield from (Lost(label, item, "its worker died") for item in task.items if getattr(item, "id", "") == DEADLY)
            left = [[item for item in part if getattr(item, "id", "") != DEADLY] for part in task.parts]
            yield Finished(
                label, task, self._worker.process(*(self._read(*self._more, part) if self._read else part for part in left))
            )


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netflips.bulk.pool.RayPool", HerePool)
    monkeypatch.setattr("netflips.bulk.extraction.ray_session", lambda *_: nullcontext({}))


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
