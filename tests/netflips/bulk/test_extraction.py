"""Whole runs: the same ids as one at a time, failures set aside, and after SIGKILL the same bytes as if nothing had happened."""

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from av2unit.extractor import UnitExtractor
from avcore import journal
from avcore.data.manifest import Entry, Manifest, read_manifest, write_manifest
from avcore.data.unit_store import read_units
from avcore.errors import UsageError
from avcore.faces.boxes import read_boxes
from avcore.media import VideoWriter, read_gray_video, read_speech, write_speech
from netflips.bulk.extraction import dry_run, extract
from netflips.bulk.records import Costs
from netflips.bulk.settings import ExtractModels, ExtractSettings
from netflips.bulk.spread import Spread
from recipes.demo.heads.camera import Pose
from recipes.demo.heads.head import MouthShape, draw
from recipes.demo.heads.motion import motion
from tests.avcore.faces.drawn import head_of
from tests.netflips.bulk.conftest import DEADLY, LENGTHS, rows_of
from tests.netflips.bulk.killed_run import settings_for
from unit2av.speaker import SpeakerEncoder

ONE = Spread(workers=1, readers=1)


def alone(manifest: Manifest, models: ExtractModels, with_lips: bool) -> dict[str, list[int]]:
    """Frame-level units of each utterance, extracted one at a time."""
    extractor = UnitExtractor.from_checkpoint(models.encoder)
    found = {}
    for entry in manifest.entries:
        lips = read_gray_video(manifest.root / entry.lips) if with_lips else None
        found[entry.id] = extractor.extract(read_speech(manifest.root / entry.audio), lips).frames().tolist()
    return found


def frames(out_dir: Path) -> dict[str, list[int]]:
    return {name: units.frames().tolist() for name, units in read_units(out_dir).items()}


def test_ids_are_those_of_the_fixtures_and_voices_come_along(
    manifest: Manifest, encoder: ExtractModels, tmp_path: Path, parity_dir: Path, request: pytest.FixtureRequest
) -> None:
    """Those of sound come from processes of their own."""
    with np.load(parity_dir / "expected.npz") as expected:
        known = {case: expected[f"{case}.units"].tolist() for case in ("audio", "av_padded")}
    asked: dict[str, tuple[set[str], dict[str, Any]]] = {
        "audio": ({"audio"}, {"speaker": "row", "features": "1"}),
        "av_padded": ({"audio", "video"}, {"layout": "files"}),
    }
    for case, (modalities, more) in asked.items():
        settings = ExtractSettings(tmp_path / case, frozenset(modalities), shard_size=4, batch_s=8.0, most_padding_s=2.0, **more)
        summary = extract(manifest, settings, encoder, Spread(workers=1, readers=2))
        request.getfixturevalue("in_one_process")
        assert (summary.progress.done, summary.failures) == (len(LENGTHS), {})
        assert 0 < summary.progress.costs.padding_share < 0.5
        found = frames(settings.out_dir)
        assert (found, found["fixture"]) == (alone(manifest, encoder, "video" in modalities), known[case])
    first, *others = rows_of(tmp_path / "audio" / "shards")
    extractor, voices = UnitExtractor.from_checkpoint(encoder.encoder), SpeakerEncoder.from_checkpoint(encoder.speaker)
    assert (first["id"], first["language"], first["speaker"]) == ("fixture", "en", "fixture")
    assert (first["vocabulary"], first["speaker_encoder"]) == (extractor.vocabulary, voices.fingerprint)
    assert sum(first["durations"]) == len(known["audio"])
    for row in (first, *others):
        speech = read_speech(manifest.root / f"{row['id']}.wav")
        np.testing.assert_allclose(np.array(row["speaker_embedding"], np.float32), voices.embed(speech), atol=1e-7)
        np.testing.assert_allclose(np.load(tmp_path / "audio" / row["features"]), extractor.features(1, speech), atol=1e-5)


def test_paths_from_here_lead_workers_in_other_folders_to_the_files(
    manifest: Manifest, encoder: ExtractModels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, parity_dir: Path
) -> None:
    """As on a cluster, whose workers were started elsewhere."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "corpus").symlink_to(manifest.root)
    (here / "encoder.pt").symlink_to(encoder.encoder or "")
    monkeypatch.chdir(here)
    settings = ExtractSettings(Path("out"), frozenset({"audio"}), layout="files")
    summary = extract(replace(manifest, root=Path("corpus")), settings, ExtractModels(Path("encoder.pt")), ONE)
    assert summary.failures == {}
    assert frames(settings.out_dir) == alone(manifest, encoder, with_lips=False)
    text = json.loads((parity_dir / "manifest.json").read_text())["unit_strings"]["audio"]
    assert (here / "out" / "units" / "fixture.unit").read_text() == text
    index = rows_of(settings.out_dir / "index")
    assert [row["id"] for row in index] == [entry.id for entry in manifest.entries]
    assert "units" not in index[0]


@pytest.mark.usefixtures("in_one_process")
def test_lips_are_cut_from_raw_video(encoder: ExtractModels, tmp_path: Path) -> None:
    head, num_frames = head_of(3), 30
    with VideoWriter(tmp_path / "talker.mp4", 256, 256, 25, preset="ultrafast") as writer:
        for frame, pose in enumerate(motion(3, num_frames, Pose(scale=0.4))):
            writer.write_rgb(draw(head, pose, MouthShape(0.4 - 0.4 * float(np.cos(frame))), 256))
    with VideoWriter(tmp_path / "wall.mp4", 128, 128, 25, preset="ultrafast") as writer:
        for _ in range(10):
            writer.write_rgb(np.full((128, 128, 3), 90, np.uint8))
    manifest = Manifest(tmp_path, (Entry("talker", video="talker.mp4"), Entry("wall", video="wall.mp4")))
    settings = ExtractSettings(tmp_path / "out", frozenset({"video"}), lips=True)
    summary = extract(manifest, settings, encoder, ONE)
    assert list(summary.failures) == ["wall"]
    assert "no face" in summary.failures["wall"]
    (row,) = rows_of(settings.out_dir / "shards")
    assert (row["lips"], row["boxes"], row["frames"]) == ("lips/talker.lip.mp4", "lips/talker.bbox.pkl", num_frames)
    assert read_gray_video(settings.out_dir / row["lips"]).shape == (num_frames, 96, 96)
    assert len(read_boxes(settings.out_dir / row["boxes"])) == num_frames
    assert sum(row["durations"]) == 2 * num_frames
    assert summary.progress.costs.face_s > 0


def damaged(manifest: Manifest, folder: Path) -> Manifest:
    """A manifest with three entries more: no media, no file, no sound."""
    (folder / "text.wav").write_text("not a sound")
    broken = (
        Entry("text", audio=str(folder / "text.wav")),
        Entry("gone", audio="gone.wav"),
        Entry("silent", lips="fixture.lip.mp4"),
    )
    return replace(manifest, entries=(*broken, *manifest.entries))


@pytest.mark.usefixtures("in_one_process")
def test_failures_are_set_aside_with_a_reason_and_tried_again(
    manifest: Manifest, encoder: ExtractModels, sound_only: ExtractSettings, tmp_path: Path, corpus: Path
) -> None:
    broken = damaged(manifest, tmp_path)
    summary = extract(broken, sound_only, encoder, ONE)
    assert summary.progress.done == len(LENGTHS)
    listed = {row["id"]: row["reason"] for row in map(json.loads, (sound_only.out_dir / "failed.jsonl").read_text().splitlines())}
    assert listed == summary.failures
    assert list(listed) == ["text", "gone", "silent"]
    assert "cannot be read as video or sound" in listed["text"]
    assert "is not there" in listed["gone"]
    assert "it has no sound" in listed["silent"]
    again = extract(broken, sound_only, encoder, ONE)
    assert (again.progress.done, again.progress.failed, again.failures) == (0, 0, listed)
    assert again.num_before == len(LENGTHS)
    (tmp_path / "text.wav").write_bytes((corpus.parent / "fixture.wav").read_bytes())
    mended = extract(broken, sound_only, encoder, ONE, retry_failed=True)
    assert (mended.progress.done, list(mended.failures)) == (1, ["gone", "silent"])
    found = frames(sound_only.out_dir)
    assert found["text"] == found["fixture"]
    assert list(found) == ["text", *(entry.id for entry in manifest.entries)]


@pytest.mark.usefixtures("in_one_process")
def test_an_utterance_that_workers_die_of_is_set_aside(
    manifest: Manifest, encoder: ExtractModels, sound_only: ExtractSettings
) -> None:
    """How a pool finds it: test_pool."""
    entries = tuple(replace(entry, id=DEADLY) if entry.id == "spk1/4" else entry for entry in manifest.entries)
    asked = replace(sound_only, speaker="npy", features="last", units=False)
    summary = extract(replace(manifest, entries=entries), asked, encoder, ONE)
    assert summary.failures == {DEADLY: "its worker died"}
    rows = rows_of(asked.out_dir / "shards")
    assert [row["id"] for row in rows] == [entry.id for entry in entries if entry.id != DEADLY]
    extractor, voices = UnitExtractor.from_checkpoint(encoder.encoder), SpeakerEncoder.from_checkpoint(encoder.speaker)
    for row in rows:
        speech = read_speech(manifest.root / f"{row['id']}.wav")
        np.testing.assert_allclose(np.load(asked.out_dir / row["speaker_path"]), voices.embed(speech), atol=1e-7)
        np.testing.assert_allclose(np.load(asked.out_dir / row["features"]), extractor.features(None, speech), atol=1e-5)
        assert "units" not in row


@pytest.mark.usefixtures("in_one_process")
def test_a_dry_run_estimates_and_leaves_nothing(
    manifest: Manifest, encoder: ExtractModels, sound_only: ExtractSettings, tmp_path: Path
) -> None:
    found = dry_run(damaged(manifest, tmp_path), sound_only, encoder, ONE, num_samples=5)
    assert not sound_only.out_dir.exists()
    assert (found.num_left, found.num_sampled) == (len(LENGTHS) + 3, 5)
    assert found.media_s == pytest.approx(sum(LENGTHS) / 25, rel=0.6)
    assert found.wall_s > 0
    assert "time         about" in found.text()
    assert "time" not in replace(found, costs=Costs()).text()  # nothing of the sample was as long as a frame


@pytest.mark.usefixtures("in_one_process")
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"modalities": frozenset({"audio", "video"})}, "no frame in the whole input"),
        ({"lips": True}, "--with-lips needs videos"),
        ({"features": "9"}, "no such layer"),
    ],
)
def test_what_can_work_for_none_is_said_at_once(
    manifest: Manifest, encoder: ExtractModels, sound_only: ExtractSettings, changes: dict, complaint: str
) -> None:
    sound = replace(manifest, entries=tuple(replace(entry, lips="") for entry in manifest.entries))
    with pytest.raises((UsageError, Exception), match=complaint):
        extract(sound, replace(sound_only, **changes), encoder, ONE)
    assert not sound_only.out_dir.exists()


NUM = 60
FATAL = 11


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Sixty short recordings."""
    folder, rng = tmp_path_factory.mktemp("many"), np.random.default_rng(5)
    entries = []
    for number in range(NUM):
        num_samples = int(rng.integers(4_000, 24_000))
        write_speech(folder / f"{number:02d}.wav", (0.1 * rng.standard_normal(num_samples)).astype(np.float32))
        entries.append(Entry(f"{number:02d}", audio=f"{number:02d}.wav", duration_s=num_samples / 16_000))
    write_manifest(folder / "manifest.jsonl", entries)
    return read_manifest(folder / "manifest.jsonl")


def test_a_killed_run_goes_on(many: Manifest, encoder: ExtractModels, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    unbroken, killed = settings_for(tmp_path / "unbroken"), settings_for(tmp_path / "killed")
    command = [sys.executable, "-m", "tests.netflips.bulk.killed_run", str(many.root / "manifest.jsonl"), str(encoder.encoder)]
    run = subprocess.run([*command, str(killed.out_dir), str(FATAL)], capture_output=True, text=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr

    work = killed.out_dir / "work.jsonl"
    before = rows_of(killed.out_dir / "shards") + list(journal.read(work))
    assert 0 < len(before) < NUM
    assert not work.read_bytes().endswith(b"\n")

    resumed = extract(many, killed, encoder, Spread(1, 2), is_quiet=True)
    assert (resumed.num_before, resumed.progress.done) == (len(before), NUM - len(before))
    request.getfixturevalue("in_one_process")
    assert extract(many, unbroken, encoder, Spread(1, 2), is_quiet=True).progress.done == NUM
    assert Counter(row["id"] for row in rows_of(killed.out_dir / "shards")) == Counter(entry.id for entry in many.entries)
    shards = sorted(path.name for path in (unbroken.out_dir / "shards").iterdir())
    assert sorted(path.name for path in (killed.out_dir / "shards").iterdir()) == shards == [f"{n:05d}.jsonl" for n in range(5)]
    for name in shards:
        assert (killed.out_dir / "shards" / name).read_bytes() == (unbroken.out_dir / "shards" / name).read_bytes()
    assert not work.exists()
