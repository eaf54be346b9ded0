"""Batches, the spread over cores and GPUs, and what is shown."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from av2unit.extractor import UnitExtractor
from avcore.compute.kernels import PackedLinear
from avcore.compute.threads import num_cores
from avcore.data.manifest import Entry, Manifest
from avcore.errors import InputError, UsageError
from avcore.processes import PoolSize
from netflips.bulk.dubbing import DubModels
from netflips.bulk.inputs import read_inputs, require_file_names
from netflips.bulk.progress import RunProgress, duration
from netflips.bulk.records import Costs, Source, by_length
from netflips.bulk.settings import CPU_PADDING_S, ExtractModels, ExtractSettings
from netflips.bulk.spread import Spread, default_workers, with_full_paths
from netflips.bulk.worker import ModelWorker, read_part
from netflips.model_paths import ModelPaths, RunOptions
from tests.refusal import refused


def test_groups_are_bounded_and_of_like_length() -> None:
    lengths = np.random.default_rng(0).uniform(1, 12, 500).tolist()
    groups = list(by_length(lengths, float, 32.0))
    assert sorted(length for group in groups for length in group) == sorted(lengths)
    assert all(len(group) * max(group) <= 32 for group in groups)
    padded = sum(len(group) * max(group) for group in groups)
    assert 1 - sum(lengths) / padded < 0.02
    assert groups == list(by_length(lengths, float, 32.0))
    assert list(by_length([50.0, 3.0, 40.0], float, 32.0)) == [[50.0], [40.0], [3.0]]


def test_nobody_in_a_group_is_filled_up_more_than_is_allowed() -> None:
    lengths = np.random.default_rng(1).uniform(1, 7, 16).tolist()
    groups = list(by_length(lengths, float, 64.0, 0.5))
    assert sorted(length for group in groups for length in group) == sorted(lengths)
    assert all(max(group) - min(group) <= 0.5 for group in groups)
    assert len(groups) < 16
    padded = sum(len(group) * max(group) for group in groups)
    assert 1 - sum(lengths) / padded < 0.06
    assert list(by_length([3.0, 2.0, 2.0, 2.5], float, 64.0, 0.0)) == [[3.0], [2.5], [2.0, 2.0]]


def test_a_device_settles_what_is_not_said() -> None:
    sound, lips = (ExtractSettings(Path("out"), frozenset(kinds)) for kinds in ({"audio"}, {"audio", "video"}))
    assert sound.for_device("cpu").batch_s == 2 * lips.for_device("cpu").batch_s
    assert (lips.for_device("cpu").padding_s, lips.for_device("cuda:0").padding_s) == (CPU_PADDING_S, math.inf)
    assert lips.for_device("cuda:0").batch_s > lips.for_device("cpu").batch_s
    said = replace(lips, batch_s=5.0, most_padding_s=0.0)
    for device in ("cpu", "cuda"):
        assert (said.for_device(device).batch_s, said.for_device(device).padding_s) == (5.0, 0.0)


_TWO, _CORES = {"CPU": 8.0, "GPU": 2.0}, {"CPU": 16.0}


@pytest.mark.parametrize(
    ("spread", "device", "resources", "has_readers", "expected"),
    [
        ({}, "cuda", _TWO, True, PoolSize(2, 8, gpus=1.0)),
        ({"gpus_per_worker": 0.5}, "cuda", _TWO, True, PoolSize(4, 8, gpus=0.5)),
        ({"workers": 3, "readers": 5, "gpus_per_worker": 0.3}, "cuda:0", _TWO, True, PoolSize(3, 5, gpus=0.3)),
        ({"workers": 3}, "cuda", _TWO, True, r"at most 2 workers.*found 3 workers, 2 GPUs"),
        ({}, "cuda", {"CPU": 8.0}, True, "0 GPUs"),
        ({"address": "auto"}, "cpu", _CORES, True, PoolSize(8, 8, cpus=1.0)),
        ({"address": "auto", "workers": 16}, "cpu", _CORES, True, "left to read"),
        ({"address": "auto"}, "cpu", _CORES, False, PoolSize(16, 1, cpus=1.0)),
        ({"address": "auto", "workers": 17}, "cpu", _CORES, False, "--workers 16 at most"),
        ({}, "cpu", {}, True, PoolSize(default_workers(0), num_cores())),
    ],
)
def test_workers_and_readers_are_as_many_as_there_is_room_for(
    spread: dict, device: str, resources: dict, has_readers: bool, expected: PoolSize | str
) -> None:
    if isinstance(expected, str):
        refused(UsageError, expected, Spread(**spread).pool_size, device, 0, resources, has_readers)
    else:
        assert Spread(**spread).pool_size(device, 0, resources, has_readers) == expected


def test_paths_mean_the_same_in_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    models = DubModels(ModelPaths(Path("a/x.pt"), Path("/y.pt"), Path("z.pt")), RunOptions(device="cpu"))
    full = with_full_paths(models)
    assert full.paths == ModelPaths(tmp_path / "a" / "x.pt", Path("/y.pt"), tmp_path / "z.pt", None)
    assert full.run == models.run


def test_here_workers_are_as_many_as_cores_and_memory_allow() -> None:
    assert (default_workers(0), default_workers(1 << 50)) == (num_cores(), 1)
    for wrong in ({"gpus_per_worker": 0.0}, {"gpus_per_worker": 1.5}):
        refused(UsageError, "", Spread, **wrong)


def test_the_table_says_rate_and_where_time_was_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("netflips.bulk.progress.time.monotonic", lambda: now[0])
    progress = RunProgress(10)
    progress.start()
    now[0] += 40.0
    progress.add(3, 1, 20.0, Costs(decode_s=1.0, face_s=2.0, model_s=1.0, media_s=20.0, padded_s=25.0))
    progress.close()
    now[0] += 1000.0
    table = progress.table()
    for words in ("3 utterances done, 1 failed in 40 s", "0.50 x real time", "faces               2.0 s     50.0% of the work"):
        assert words in table
    assert "20.0% of what the models were fed" in table


def test_durations_for_people() -> None:
    assert [duration(seconds) for seconds in (0.4, 119, 120, 7199, 11_100)] == ["0 s", "119 s", "2 min", "2 h 00 min", "3 h 05 min"]
    assert math.isclose(Costs(media_s=8, padded_s=10).padding_share, 0.2)
    assert Costs().padding_share == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/2.mp4", "b/2.lip.mp4", "b/2.txt", "a/1.wav", "a/1.json", "a/.3.wav", "a/입력.MOV"):
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "corpus"


def test_a_folder_gives_its_media_by_relative_name(folder: Path) -> None:
    found = read_inputs(str(folder), language="ko")
    assert found.root == folder
    assert tuple(found.entries) == (
        Entry("a/1", audio="a/1.wav", language="ko"),
        Entry("a/입력", video="a/입력.MOV", language="ko"),
        Entry("b/2", video="b/2.mp4", lips="b/2.lip.mp4", language="ko"),
    )


def test_links_are_followed_once(folder: Path) -> None:
    (folder / "b" / "again").symlink_to(folder)
    (folder / "elsewhere").symlink_to(folder / "a")
    names = [entry.id for entry in read_inputs(str(folder)).entries]
    assert sorted(Path(name).name for name in names) == ["1", "2", "입력"]


def test_a_glob_names_from_its_first_wildcard(folder: Path) -> None:
    found = read_inputs(f"{folder}/*/*.wav")
    assert (found.root, [entry.id for entry in found.entries]) == (folder, ["a/1"])
    assert [entry.id for entry in read_inputs(f"{folder}/**/*.mp4").entries] == ["b/2"]


def test_one_file_and_a_manifest(folder: Path, corpus: Path) -> None:
    found = read_inputs(str(folder / "a" / "1.wav"))
    assert (found.root, [*found.entries]) == (folder / "a", [Entry("1", audio="1.wav")])
    found = read_inputs(str(corpus), root=folder, language="ko")
    assert found.root == folder
    assert {entry.language for entry in found.entries} == {"en"}


def test_what_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    refused(InputError, "no such input", read_inputs, str(tmp_path / "none"))
    refused(InputError, "no media file", read_inputs, f"{folder}/**/*.flac")
    (folder / "a" / "1.mp4").write_bytes(b"x")
    refused(InputError, r"1.mp4 and 1.wav have one name.*a pattern in quotes", read_inputs, str(folder))


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a//b", "a\\b", ".", "a" * 300])
def test_names_that_leave_the_output_folder_are_refused(name: str) -> None:
    require_file_names(["spk 1/0001", "문장.1"])
    refused(InputError, "cannot name a file", require_file_names, ["fine", name])


BOTH = frozenset({"audio", "video"})


def batches_of(
    monkeypatch: pytest.MonkeyPatch, manifest: Manifest, encoder: ExtractModels, settings: ExtractSettings
) -> tuple[list[list[int]], dict[str, list[int]]]:
    """Frames of the utterances in each call of the encoder, and the durations and units of all."""
    calls: list[list[int]] = []
    together = UnitExtractor.extract_batch

    def noted(self: UnitExtractor, speech: list, lips: list) -> list:
        calls.append([len(clip) for clip in lips])
        return together(self, speech, lips)

    worker = ModelWorker(encoder, settings)
    assert worker.load() == ""
    read = read_part(settings, [Source(entry, manifest.root) for entry in manifest.entries])
    with monkeypatch.context() as patch:
        patch.setattr(UnitExtractor, "extract_batch", noted)
        result = worker.process(read)
    assert result.rejected == []
    assert result.costs.media_s == pytest.approx(sum(map(sum, calls)) / 25)
    assert result.costs.padded_s == pytest.approx(sum(max(call) * len(call) for call in calls) / 25)
    return calls, {made.id: [*made.row["units"], *made.row["durations"]] for made in result.made}


def test_the_padding_of_a_batch_is_bounded_and_changes_no_id(
    monkeypatch: pytest.MonkeyPatch, manifest: Manifest, encoder: ExtractModels, sound_only: ExtractSettings
) -> None:
    """Lengths are known only when all is read, as in a corpus whose manifest states none."""
    settings = replace(sound_only, modalities=BOTH, batch_s=1000.0)
    with_padding = replace(settings, most_padding_s=1.0)
    without = replace(settings, most_padding_s=0.0)
    in_one, units = batches_of(monkeypatch, manifest, encoder, settings)
    assert len(in_one) == 1
    assert len(set(in_one[0])) > 1
    bounded, bounded_units = batches_of(monkeypatch, manifest, encoder, with_padding)
    assert 1 < len(bounded) < len(manifest.entries)
    assert all(0 <= max(call) - min(call) <= 1.1 * 25 for call in bounded)
    alike, alike_units = batches_of(monkeypatch, manifest, encoder, without)
    assert all(len(set(call)) == 1 for call in alike)
    assert units == bounded_units == alike_units


@pytest.mark.usefixtures("packs_all")
def test_a_loaded_worker_has_its_weights_laid_out(encoder: ExtractModels, sound_only: ExtractSettings) -> None:
    """The first batch then takes as long as the next."""
    worker = ModelWorker(encoder, replace(sound_only, modalities=BOTH))
    assert worker.load() == ""
    packed = [module for module in worker._extractor.model.modules() if isinstance(module, PackedLinear)]
    assert packed
    assert all(module._plain is None for module in packed)


def test_what_is_wrong_with_the_models_is_said_in_one_line(sound_only: ExtractSettings, manifest: Manifest) -> None:
    assert "gone.pt" in ModelWorker(ExtractModels(manifest.root / "gone.pt"), sound_only).load()


def test_what_is_odd_about_an_utterance_stands_in_its_row(sound_only: ExtractSettings, manifest: Manifest) -> None:
    odd = replace(manifest.entries[0], lips=manifest.entries[1].lips)
    read = read_part(replace(sound_only, modalities=BOTH), [Source(entry, manifest.root) for entry in (odd, manifest.entries[1])])
    first, second = (one.row.get("warnings") for one in read)
    assert first == ["2.01 s of sound and 0.80 s of lips: the sound is cut to fit"]
    assert second is None
