"""What belongs to a whole set: the Frechet distance of its faces; and the ceiling that true units give."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from avcore.errors import NoFaceError
from avcore.media import read_speech, write_speech
from avcore.units import Units
from netflips.evaluate import face_sets
from netflips.evaluate.cases import CaseFiles
from netflips.evaluate.face_sets import frechet_row
from netflips.evaluate.judges import JudgePaths, Judges
from netflips.evaluate.true_units import say_true_units
from netflips.options import ModelPaths
from unit2av.inference_unit2a import UnitVocoder
from unit2av.speakers import voice_of

SHIFT = 3.0


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[CaseFiles]:
    """Four cases; what a network sees in a dub is what it sees in its source, moved by a constant. The last has no face."""
    monkeypatch.setattr(face_sets, "load_inception", lambda path: calls.append(path))
    monkeypatch.setattr(face_sets, "features_of", lambda _, pictures: np.stack(list(pictures)))
    calls: list[Path] = []

    def faces(clip: SimpleNamespace) -> Iterator[np.ndarray]:
        number, is_dub = int(clip.path.stem[0]), "ko" in clip.path.stem
        if number == 3:
            raise NoFaceError("no face was found in any picture", path=clip.path)
        yield from np.random.default_rng(number).standard_normal((200, 3)) + is_dub * np.array([SHIFT, 0, 0])

    monkeypatch.setattr(face_sets, "face_pictures", faces)
    for number in range(4):
        for name in (f"{number}.mp4", f"{number}_ko.mp4"):
            (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "network.pt").write_bytes(b"x")
    return [CaseFiles(f"c{n}", tmp_path / f"{n}_ko.mp4", tmp_path / f"{n}.mp4", language="ko") for n in range(4)]


def test_the_frechet_distance_is_that_of_the_whole_set(cases: list[CaseFiles], tmp_path: Path) -> None:
    row = frechet_row(cases, Judges(JudgePaths()), tmp_path / "network.pt", tmp_path / "out")
    made, floor = (row.cells[subject] for subject in ("dub", "source"))
    assert made.figure is not None
    assert floor.figure is not None
    assert made.figure.value == pytest.approx(SHIFT**2, rel=1e-3)
    assert floor.figure.value < 0.1
    assert (made.figure.n, made.failed) == (3, 1)
    assert row.signature.startswith("features of network.pt")
    again = frechet_row(cases, Judges(JudgePaths()), tmp_path / "network.pt", tmp_path / "out")
    assert again.cells["dub"].figure is not None
    assert again.cells["dub"].figure.value == made.figure.value
    assert len(list((tmp_path / "out" / "work" / "inception").glob("*.npz"))) == 6


def test_true_units_are_said_once_for_each_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vocoder says the reference's own units with their durations, in the source's voice."""
    said = []

    def synthesize(units: Units, voice: str) -> SimpleNamespace:
        said.append((units.ids.tolist(), voice))
        return SimpleNamespace(samples=np.full(320, 0.25, np.float32))

    vocoder = SimpleNamespace(synthesize=synthesize)
    monkeypatch.setattr(UnitVocoder, "from_checkpoint", lambda *_: vocoder)
    monkeypatch.setattr(voice_of, "voice_of", lambda speech, encoder: f"voice of {len(speech)} samples")
    monkeypatch.setattr(Judges, "extractor", SimpleNamespace(extract=lambda speech: Units.from_frames(np.array([len(speech), 7]))))
    monkeypatch.setattr(Judges, "speaker", None)
    monkeypatch.setattr(Judges, "identity", lambda self, need: need)
    write_speech(tmp_path / "source.wav", np.zeros(800, np.float32))
    write_speech(tmp_path / "true.wav", np.zeros(640, np.float32))
    files = [tmp_path / name for name in ("source.wav", "true.wav")]
    with_truth = CaseFiles("a", files[0], files[0], files[1], language="ko")
    models = ModelPaths(*[files[0]] * 3)
    found = say_true_units([with_truth, CaseFiles("b", files[0], files[0])], Judges(JudgePaths()), models, tmp_path / "out")
    assert list(found) == ["a"]
    assert said == [([640, 7], "voice of 800 samples")]
    assert read_speech(found["a"]) == pytest.approx(0.25, abs=1e-3)
    assert say_true_units([with_truth], Judges(JudgePaths()), models, tmp_path / "out") == found
    assert len(said) == 1
