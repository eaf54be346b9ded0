"""Which track of a file is read belongs to who reads it: no call changes what another one reads, in one thread or in two."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

import netflips
from avcore.arrays import Samples
from avcore.media import read_speech
from netflips.commands.options import TranscribeOptions
from netflips.dubbing import job
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.loaded import Loaded
from netflips.model_paths import ModelPaths
from netflips.models import Models
from netflips.script.types import Script
from tests.avcore.made_speech import talk
from tests.avcore.test_sound_tracks import write_tracks

QUICK = DubOptions(beam=1, max_target_units=20, modalities="audio")


@pytest.fixture
def tracks() -> tuple[Samples, Samples]:
    return talk([0.2, 1.5, 0.3]), talk([0.3, 1.6, 0.1], seed=7)


@pytest.fixture
def film(tmp_path: Path, clip: Path, tracks: tuple[Samples, Samples]) -> Path:
    return write_tracks(tmp_path / "film.mkv", [(one, "", "") for one in tracks], video=clip)


def test_a_call_that_reads_another_track_changes_nothing_for_the_next(
    film: Path, tracks: tuple[Samples, Samples], models: Models, paths: ModelPaths, reader: Path
) -> None:
    first, second = (replace(models.extractor.extract(one), language="en") for one in tracks)
    loaded = Loaded(models)
    assert loaded.units(film, modalities="audio") == first != second
    options = TranscribeOptions(
        audio_track="2", modalities="audio", source="en", unit2text_path=reader, av2unit_path=paths.av2unit, device="cpu"
    )
    assert netflips.transcribe(film, options=options).utterances
    assert loaded.units(film, modalities="audio") == first
    assert np.allclose(read_speech(film)[: len(tracks[0])], tracks[0], atol=1e-4)


def test_two_threads_dub_two_tracks_of_a_file(film: Path, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    select, both, made = job.select_tracks, Barrier(2, timeout=60), dict[str, Script]()

    def selected(*asked: Any) -> Any:
        source = select(*asked)
        both.wait()  # each has selected its track before one is read
        return source

    monkeypatch.setattr(job, "select_tracks", selected)

    def work(number: str) -> None:
        out = tmp_path / f"{number}.mp4"
        made[number] = dub(film, out, replace(models), replace(QUICK, audio_track=number))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, "12"))
    monkeypatch.undo()

    heard = {number: script.utterances[0].source_units for number, script in made.items()}
    assert heard["1"] != heard["2"]
    for number in "12":
        alone = dub(film, tmp_path / f"alone{number}.mp4", models, replace(QUICK, audio_track=number))
        assert heard[number] == alone.utterances[0].source_units
        assert (tmp_path / f"{number}.mp4").read_bytes() == (tmp_path / f"alone{number}.mp4").read_bytes()
        assert alone.media.audio_track == (None if number == "1" else 2)
