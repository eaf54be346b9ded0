"""A person's own mouths: what is kept of footage, which mouth is chosen, how it is drawn, when they do not suit."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from avcore.arrays import Pixels
from recipes.demo.heads.head import MouthShape
from tests.unit2av.mouth_samples import filmed
from unit2av.lipsync import Scene
from unit2av.lipsync.mesh.album import MOUTH, Album, Stretch, look, place_of
from unit2av.lipsync.mesh.bare import Examples
from unit2av.lipsync.mesh.choose import CANDIDATES, LAG, Chooser, Search
from unit2av.lipsync.mesh.compose import draw
from unit2av.lipsync.mesh.follow import MeshFinder
from unit2av.lipsync.mesh.rewrite import Footage, Repertoire, Rewrite
from unit2av.lipsync.mesh.shape import measure_movements, nose_base
from unit2av.lipsync.mesh.table import parameters_at


@cache
def speaker() -> tuple[list[Scene], Stretch]:
    """A drawn head that talks for four seconds, and what is seen of it."""
    rng = np.random.default_rng(5)
    steps = np.repeat(rng.uniform(0, 0.8, 34) * (rng.random(34) > 0.25), 3)[:100]
    opening = np.convolve(np.pad(steps, 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], "valid")
    mouths = [MouthShape(float(one), float(0.5 * np.sin(k / 7))) for k, one in enumerate(opening)]
    scenes = [replace(scene, source=scene.time) for scene in filmed(mouths)]
    with MeshFinder() as finder:
        return scenes, look(scenes, finder, 1000)


@cache
def repertoire() -> Repertoire:
    return Repertoire(Album.of([(lambda: speaker()[1], [0])]))


@cache
def codes() -> np.ndarray:
    """Another talk: wide open, closed for p, b, m, and what is between."""
    opening = np.clip(0.35 + 0.45 * np.sin(np.arange(100) / 2.2), 0, 0.7)
    press = (opening < 0.02).astype(float)
    return np.stack([opening, np.zeros(100), press], axis=1)


@cache
def drawn() -> list[Pixels]:
    own = Footage(codes(), lambda time: speaker()[1], lambda face: repertoire()).drawn_by(speaker()[0][0])
    return list(own.frames(speaker()[0]))


def gap_in(frame: Pixels, scene: Scene, finder: MeshFinder) -> float:
    mesh = finder.find(frame, scene.box)
    place = place_of(speaker()[1].mouths[speaker()[1].row(scene.time)])
    return float(measure_movements(place.pose.to_head(mesh.astype(float)))[0])


# Drawing


def test_a_head_says_another_talk_with_its_own_mouths() -> None:
    scenes = speaker()[0]
    assert len(drawn()) == len(scenes)
    with MeshFinder() as finder:
        gaps = np.array([gap_in(frame, scene, finder) for frame, scene in zip(drawn(), scenes, strict=True)])
        shut = [scene for scene, mouth in zip(scenes, speaker()[1].mouths, strict=True) if mouth["gap"] < 0.002]
        closed = max(gap_in(scene.rgb, scene, finder) for scene in shut)
    asked = np.array([parameters_at(codes(), scene.time) for scene in scenes])
    assert np.corrcoef(gaps, asked[:, 0])[0, 1] > 0.9
    assert gaps[asked[:, 2] > 0.9].max() < closed + 0.005


def test_a_mouth_is_hardly_opened_beyond_its_own_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[float]()

    def seen(shape: np.ndarray, gap: float, *others: object) -> np.ndarray:
        asked.append(gap)
        return shape

    monkeypatch.setattr("unit2av.lipsync.mesh.rewrite.moved_to", seen)
    wide = Footage(np.tile([1.5, 0.0, 0.0], (100, 1)), lambda time: speaker()[1], lambda face: repertoire())
    list(wide.drawn_by(speaker()[0][0]).frames(speaker()[0][:30]))
    most = float(repertoire().album.mouths["gap"].max())
    assert repertoire().chooser.range.wanted(np.array([[1.5, 0, 0]]))[0, 0] > 1.3 * most
    assert most < max(asked) < 1.2 * most + 0.005


def test_outside_of_the_mouth_the_frame_is_warped_and_no_more() -> None:
    scene, mouth = speaker()[0][40], speaker()[1].mouths[40]
    place, album = place_of(mouth), repertoire().album
    shape = album.places[10].seen
    rewrite = Rewrite(Footage(codes(), lambda time: speaker()[1], lambda face: repertoire()), repertoire())
    donors = [rewrite._donor(10, 1.0)]
    alone, whole = (draw(scene.rgb, place, shape, one, 0.0, 0.0).astype(int) for one in ([], donors))
    changed = np.flatnonzero(np.abs(whole - alone).max(axis=(1, 2)))
    base, chin = (place.pose.to_image(np.array([[0, at, 0.0]]))[0, 1] for at in (nose_base(place.head)[1], place.head[152, 1]))
    assert len(changed) > 20
    assert changed[0] > base - 4
    assert changed[-1] < chin + 4
    faded = draw(scene.rgb, replace(place, strength=0.02), shape, donors, 0.0, 0.0)
    assert np.abs(faded.astype(int) - scene.rgb).mean() < 0.1 * np.abs(whole - scene.rgb).mean()


def test_frames_without_a_source_are_given_back_as_they_are() -> None:
    scenes = [replace(scene, source=None) if k in (3, 4) else scene for k, scene in enumerate(speaker()[0][:12])]
    footage = Footage(codes(), lambda time: speaker()[1], lambda face: repertoire())
    shown = list(Rewrite(footage, repertoire()).frames(scenes))
    assert [frame is scene.rgb for frame, scene in zip(shown, scenes, strict=True)] == [k in (3, 4) for k in range(12)]


# What is kept


def test_few_mouths_of_many_cover_how_far_they_open() -> None:
    with MeshFinder() as finder:
        few = look(speaker()[0], finder, 30)
    gaps, kept = few.mouths["gap"], few.mouths["gap"][few.kept]
    assert 30 <= len(few.kept) < 45
    assert np.ptp(kept) > 0.8 * np.ptp(gaps)
    assert (np.diff(few.kept) == 1).mean() > 0.7  # whole runs
    picture = cv2.imdecode(few.picture(3), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    left, top = few.corners[3]
    own = speaker()[0][few.kept[3]].rgb[top : top + picture.shape[0], left : left + picture.shape[1]]
    assert np.abs(picture - own).mean() < 1.5


def test_an_album_is_of_one_person_and_all_stretches() -> None:
    stretch = speaker()[1]
    mouths = stretch.mouths.copy()
    mouths["face"][50:] = 1
    two = replace(stretch, mouths=mouths)
    both = Album.of([(lambda: two, [0]), (lambda: stretch, [0])])
    assert len(both) == 150
    assert len(np.unique(both.runs)) == 2
    assert len(Album.of([(lambda: two, [1])])) == 50


# What is chosen


def made(gaps: Sequence[float]) -> Repertoire:
    """Mouths that open so far, in one run, which look alike but for that."""
    mouths = np.zeros(len(gaps), MOUTH)
    mouths["gap"] = mouths["visible"] = gaps
    mouths["width"] = 0.35 + 0.01 * np.sin(np.arange(len(gaps)))
    mouths["thumb"] = (100 + 500 * np.array(gaps)).astype(np.uint8)[:, None, None, None]
    runs, corners = np.zeros(len(gaps), np.int64), np.zeros((len(gaps), 2), np.int64)
    nobody = np.zeros((0, 24, 32, 3), np.float32)
    return Repertoire(Album(mouths, runs, corners, [np.zeros(0, np.uint8)] * len(gaps), mouths, Examples(nobody, nobody)))


def waves(count: int, low: float = 0.01, high: float = 0.12) -> np.ndarray:
    return low + (high - low) * (0.5 + 0.5 * np.sin(np.arange(count) / 2))


def chosen(chooser: Chooser, asked: np.ndarray) -> list[int]:
    search, present = Search(chooser, 1.0), chooser.album.mouths[0]
    path = [number for row in asked if (number := search.add(chooser.costs(row, present))) is not None]
    assert len(path) == max(len(asked) - LAG, 0)
    return path + search.rest()


def test_runs_of_the_footage_go_on_as_they_were() -> None:
    chooser, start = made(waves(120)).chooser, 40
    wanted = chooser.album.mouths["gap"][start : start + 60].astype(float)
    opening = (wanted - chooser.range.wanted(np.zeros((1, 3)))[0, 0]) / 0.13
    path = np.array(chosen(chooser, np.stack([opening, np.zeros(60), np.zeros(60)], axis=1)))
    assert (np.diff(path) == 1).mean() > 0.9
    assert np.corrcoef(chooser.album.mouths["gap"][path], wanted)[0, 1] > 0.95


def test_lips_do_not_stand_still_nor_go_to_and_fro() -> None:
    hardly = 0.05 + 0.004 * np.sin(np.arange(60) / 3)
    gaps = np.concatenate([waves(100), hardly])
    steps = np.diff(np.array(chosen(made(gaps).chooser, np.tile([0.3, 0.0, 0.0], (50, 1)))))
    assert (steps == 0).mean() < 0.5
    assert (steps[1:] * steps[:-1] < 0).mean() < 0.3


def test_a_bitten_lip_is_passed_over() -> None:
    gaps = np.concatenate([waves(100), np.full(30, 0.06)])
    person = made(gaps)
    person.album.mouths["visible"][100:] += 0.04
    costs = person.chooser.costs(np.array([0.3, 0.0, 0.0]), person.album.mouths[0])
    alike = np.abs(gaps[:100] - 0.06) < 0.004
    assert costs[100:].min() > costs[:100][alike].max()


def test_the_work_of_a_search_grows_with_the_frames_alone() -> None:
    chooser, works = made(waves(300)).chooser, list[int]()
    for count in (50, 100, 200):
        search = Search(chooser, 1.0)
        for number in range(count):
            search.add(chooser.costs(np.array([0.3 + 0.2 * np.sin(number), 0, 0]), chooser.album.mouths[0]))
        works.append(search.num_steps)
    assert works == [(count - 1) * (2 * CANDIDATES) ** 2 for count in (50, 100, 200)]


@pytest.mark.parametrize(
    ("gaps", "lacks"),
    [
        (waves(100), ""),
        (waves(20), "few"),
        (waves(100, 0.02, 0.04), "still"),
        (waves(100, 0.06, 0.14), "open"),
    ],
)
def test_what_a_person_s_mouths_lack(gaps: np.ndarray, lacks: str) -> None:
    assert made(gaps).lacks == lacks


def test_mouths_that_are_only_shut_or_wide_suit_no_talk() -> None:
    smile = np.where(np.arange(100) < 50, 0.01, 0.12) + 0.002 * np.sin(np.arange(100))
    shot = np.zeros(5, MOUTH)
    shot["strength"] = 1
    assert (made(waves(100)).misses(shot), made(smile).misses(shot)) == ("", "unlike")
    assert made(waves(20)).misses(shot) == "few"
    shot["turn"] = 1
    assert made(waves(100)).misses(shot) == "unlike"  # nobody was seen from there


# What is before a mouth


def test_a_hand_is_told_from_the_person_s_own_mouths() -> None:
    rng = np.random.default_rng(0)
    bare = np.full((24, 32, 3), (150, 140, 140), np.uint8).copy()
    bare[8:14, 8:24] = (110, 160, 135)
    fingers = bare.copy()
    fingers[:, 4:10], fingers[:, 10:12], fingers[4:22, 12:17] = (165, 142, 146), (90, 140, 140), (165, 142, 146)

    def seen(picture: np.ndarray) -> np.ndarray:
        shift = int(rng.integers(-1, 2))
        return np.clip(np.roll(picture, shift, axis=0) + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)

    thumbs = np.stack([seen(fingers if 60 <= k < 110 else bare) for k in range(200)])
    at = np.arange(0, 200, 12)
    odds = np.where((at >= 60) & (at < 110), 1.0, -6.0).astype(np.float32)
    strengths = Examples.of([(at / 25, odds, thumbs[at])]).strengths(thumbs, np.zeros(200, np.int64))
    assert (strengths[60:110] == 0).mean() > 0.9
    assert (strengths > 0)[[*range(55), *range(115, 200)]].mean() > 0.98
    free = Examples.of([(at / 25, np.full(len(at), -6.0, np.float32), thumbs[at])])
    assert free.strengths(thumbs, np.zeros(200, np.int64)).min() == 1
