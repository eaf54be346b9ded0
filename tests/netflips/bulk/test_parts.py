"""Batches, the spread over cores and GPUs, and what is shown."""

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import UsageError
from avcore.pool import PoolSize
from netflips.bulk.dubbing import DubModels
from netflips.bulk.progress import RunProgress, duration
from netflips.bulk.records import Costs, by_length
from netflips.bulk.session import with_full_paths
from netflips.bulk.settings import CPU_PADDING_S, ExtractSettings
from netflips.bulk.spread import Spread, default_workers, num_cores
from netflips.model_paths import ModelPaths, RunOptions


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
    assert lips.for_device("cpu").padding_s == CPU_PADDING_S
    assert lips.for_device("cuda:0").padding_s == math.inf
    assert lips.for_device("cuda:0").batch_s > lips.for_device("cpu").batch_s
    said = replace(lips, batch_s=5.0, most_padding_s=0.0)
    for device in ("cpu", "cuda"):
        assert (said.for_device(device).batch_s, said.for_device(device).padding_s) == (5.0, 0.0)


def test_workers_share_gpus_by_fractions() -> None:
    two = {"CPU": 8.0, "GPU": 2.0}
    assert Spread().pool_size("cuda", 1 << 30, two) == PoolSize(2, 8, gpus=1.0)
    assert Spread(gpus_per_worker=0.5).pool_size("cuda", 1 << 30, two) == PoolSize(4, 8, gpus=0.5)
    assert Spread(workers=3, readers=5, gpus_per_worker=0.3).pool_size("cuda:0", 1 << 30, two) == PoolSize(3, 5, gpus=0.3)
    with pytest.raises(UsageError, match=r"at most 2 workers.*found 3 workers, 2 GPUs"):
        Spread(workers=3).pool_size("cuda", 1 << 30, two)
    with pytest.raises(UsageError, match="0 GPUs"):
        Spread().pool_size("cuda", 1 << 30, {"CPU": 8.0})


def test_a_cluster_keeps_cores_to_read() -> None:
    cluster = Spread(address="auto")
    assert cluster.pool_size("cpu", 0, {"CPU": 16.0}) == PoolSize(8, 8, cpus=1.0)
    with pytest.raises(UsageError, match="left to read"):
        Spread(workers=16, address="auto").pool_size("cpu", 0, {"CPU": 16.0})


def test_where_nobody_reads_for_them_workers_take_all_cores_of_a_cluster() -> None:
    assert Spread(address="auto").pool_size("cpu", 0, {"CPU": 16.0}, has_readers=False) == PoolSize(16, 1, cpus=1.0)
    assert Spread(workers=3, address="auto").pool_size("cpu", 0, {"CPU": 3.0}, has_readers=False) == PoolSize(3, 1, cpus=1.0)
    with pytest.raises(UsageError, match="--workers 16 at most"):
        Spread(workers=17, address="auto").pool_size("cpu", 0, {"CPU": 16.0}, has_readers=False)


def test_paths_mean_the_same_in_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    models = DubModels(ModelPaths(Path("a/x.pt"), Path("/y.pt"), Path("z.pt")), RunOptions(device="cpu"))
    full = with_full_paths(models)
    assert full.paths == ModelPaths(tmp_path / "a" / "x.pt", Path("/y.pt"), tmp_path / "z.pt", None)
    assert full.run == models.run


def test_here_workers_are_as_many_as_cores_and_memory_allow() -> None:
    assert Spread().pool_size("cpu", 0, {}) == PoolSize(default_workers(0), num_cores())
    assert default_workers(0) == num_cores()
    assert default_workers(1 << 50) == 1
    for wrong in ({"workers": -1}, {"readers": -2}, {"gpus_per_worker": 0.0}, {"gpus_per_worker": 1.5}):
        with pytest.raises(UsageError):
            Spread(**wrong)


def test_progress_says_rate_and_time_left(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("netflips.bulk.progress.time.monotonic", lambda: now[0])
    progress = RunProgress(10, total_s=100.0)
    progress.start()
    assert progress.remaining_s() is None
    now[0] += 40.0
    with caplog.at_level(logging.INFO, "netflips"):
        progress.add(3, 1, 20.0, Costs(decode_s=1.0, face_s=2.0, model_s=1.0, media_s=20.0, padded_s=25.0))
    assert caplog.messages == ["4 of 10 utterances, 0.01 h of media, 0.5 x real time, 3 min left, 1 failed"]
    assert progress.remaining_s() == pytest.approx(160)
    progress.close()
    now[0] += 1000.0
    table = progress.table()
    assert "3 utterances done, 1 failed in 40 s" in table
    assert "faces               2.0 s     50.0% of the work" in table
    assert "20.0% of what the models were fed" in table
    unknown = RunProgress(10)
    unknown.start()
    now[0] += 10.0
    unknown.add(5, 0, 7.0)
    assert unknown.remaining_s() == pytest.approx(10)


def test_durations_for_people() -> None:
    assert [duration(seconds) for seconds in (0.4, 119, 120, 7199, 11_100)] == ["0 s", "119 s", "2 min", "2 h 00 min", "3 h 05 min"]
    assert math.isclose(Costs(media_s=8, padded_s=10).padding_share, 0.2)
    assert Costs().padding_share == 0
