"""Clusters: found again on separable data, the same after a break, in the forms that training reads; labels carried over."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torchaudio
from scipy.fft import dct
from sklearn.metrics import adjusted_rand_score

from av2unit import kmeans
from av2unit.cepstra import differences, filterbank_features, mfcc_features
from av2unit.clustering.features import FeatureStream, around
from av2unit.clustering.fit import FrameSample
from av2unit.clustering.labels import Quantizer, load_quantizer
from av2unit.features import log_filterbank
from av2unit.training.media import MediaReader
from av2unit.warping import warp_path
from avcore.data.unit_store import UnitRow, read_units, write_units
from avcore.errors import CheckpointError, InputError
from avcore.media import write_speech
from avcore.units import Units
from tests.av2unit.made_clips import NUM_UNITS, VOCABULARY, sound_of
from tests.refusal import refused


def _fit(corpus: Path, model: Path, *more: str, config: str = "av2unit/kmeans_debug") -> int:
    given = [f"manifest={corpus}/train.jsonl", f"model={model}", f"fit.num_clusters={NUM_UNITS}", "num_workers=0", *more]
    return kmeans.main(["fit", "--config-name", config, *given])


def _apply(corpus: Path, model: Path, out_dir: Path, *more: str) -> int:
    given = [f"manifest={corpus}/train.jsonl", f"model={model}", f"out_dir={out_dir}", "num_workers=0", *more]
    return kmeans.main(["apply", "--config-name", "av2unit/kmeans_debug", *given])


@pytest.fixture(scope="module")
def model(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("km") / "km.safetensors"
    assert _fit(corpus, path, "features.kind=fbank", "features.normalise=corpus") == 0
    return path


# Features


def _samples(length: int = 9000) -> np.ndarray:
    return np.round(2000 * np.random.default_rng(0).standard_normal(length))


def test_mfcc_are_the_liftered_cosine_transform_with_two_differences() -> None:
    rows = log_filterbank(_samples())
    cepstra = dct(rows.astype(np.float64), norm="ortho", axis=1)[:, :13] * (1 + 11 * np.sin(np.pi * np.arange(13) / 22))
    deltas = torchaudio.functional.compute_deltas(torch.from_numpy(cepstra.T.copy())).numpy().T
    both = torchaudio.functional.compute_deltas(torch.from_numpy(deltas.T.copy())).numpy().T
    wanted = np.concatenate([cepstra, deltas, both], axis=1)
    found = mfcc_features(_samples(), 50)
    assert found.shape == (-(-len(rows) // 2), 39)
    assert found[3] == pytest.approx(wanted[6:8].mean(axis=0), abs=1e-3)
    assert np.allclose(differences(cepstra), deltas)


def test_rows_are_averaged_to_the_rate_of_the_labels() -> None:
    rows = log_filterbank(_samples(1600 * 3 + 500))
    for rate, size in ((50, 2), (25, 4)):
        found = filterbank_features(_samples(1600 * 3 + 500), rate)
        assert len(found) == -(-len(rows) // size)
        assert found[-1] == pytest.approx(rows[(len(found) - 1) * size :].mean(axis=0), abs=1e-5)


def test_an_encoder_heard_twice_gives_features_at_the_units_rate() -> None:
    speech = np.arange(1, 1001, dtype=np.float32)
    later, earlier = around(speech)
    assert len(later) == len(earlier) == 1000
    assert (later[160:] == speech[:-160]).all()
    assert (earlier[:-160] == speech[160:]).all()
    assert not later[:160].any()


# The sample


def test_every_frame_is_equally_likely_sampled_in_bounded_memory() -> None:
    counts = np.zeros(1000)
    for seed in range(300):
        sample = FrameSample(1, 50, 1.0, seed)
        for clip in range(10):
            sample.add(clip, np.arange(clip * 100, clip * 100 + 100, dtype=np.float32)[:, None])
        frames = sample.frames()[:, 0]
        assert len(frames) == 50
        assert len(sample._frames) <= 63
        counts[frames.astype(int)] += 1
    assert counts.reshape(10, 100).sum(axis=1) == pytest.approx(np.full(10, 1500), rel=0.08)
    thin = FrameSample(1, 10_000, 0.2, 0)
    thin.add(0, np.zeros((10_000, 1), np.float32))
    assert (len(thin.frames()), thin.seen) == (pytest.approx(2000, rel=0.1), 10_000)


def test_a_stored_sample_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [rng.standard_normal((70, 3)).astype(np.float32) for _ in range(8)]
    whole, first, second = (FrameSample(3, 100, 1.0, 1) for _ in range(3))
    for number, clip in enumerate(clips):
        whole.add(number, clip)
        if number < 4:
            first.add(number, clip)
    first.save(tmp_path / "s.safetensors", {"next": 4})
    second.restore(tmp_path / "s.safetensors")
    for number in range(4, 8):
        second.add(number, clips[number])
    assert sorted(map(tuple, second.frames())) == sorted(map(tuple, whole.frames()))
    assert second.seen == whole.seen
    (tmp_path / "s.safetensors").write_bytes(b"nothing")
    refused(InputError, "damaged", second.restore, tmp_path / "s.safetensors")


# Fit and apply


def test_separable_sounds_are_found_again_in_files_for_training(corpus: Path, model: Path, tmp_path: Path) -> None:
    assert _apply(corpus, model, tmp_path, "language=ko") == 0
    found, made = read_units(tmp_path / "train.units.jsonl"), read_units(corpus / "train.units.jsonl")
    assert found.keys() == made.keys()
    pairs = [(found[name].frames(), made[name].frames()) for name in made]
    left, right = (np.concatenate([pair[side][: min(map(len, pair))] for pair in pairs]) for side in (0, 1))
    # A window of 25 ms at a change hears both sounds; between changes there is one cluster for each sound.
    inside = np.flatnonzero((right[1:-1] == right[:-2]) & (right[1:-1] == right[2:])) + 1
    assert adjusted_rand_score(left[inside], right[inside]) > 0.99
    assert adjusted_rand_score(left, right) > 0.8
    quantizer = load_quantizer(model)
    assert {units.vocabulary for units in found.values()} == {quantizer.vocabulary}
    report = json.loads((tmp_path / "train.report.json").read_text())
    assert report["counts"] == np.bincount(np.concatenate([pair[0] for pair in pairs]), minlength=NUM_UNITS).tolist()
    assert report["inertia"] == pytest.approx(quantizer.inertia, rel=1e-3)  # all frames were in the sample
    assert quantizer.report["frames"] == report["labels"]
    lines = {name: (tmp_path / f"train.{name}").read_text().splitlines() for name in ("km", "even.km", "odd.km")}
    ids = [json.loads(line)["id"] for line in (corpus / "train.jsonl").read_text().splitlines()]
    for number, name in enumerate(ids):
        labels = [int(token) for token in lines["km"][number].split()]
        assert found[name].frames().tolist() == labels
        assert [int(token) for token in lines["even.km"][number].split()] == labels[0::2]
        assert [int(token) for token in lines["odd.km"][number].split()] == labels[1::2]
        assert found[name].language == "ko"
    assert [line.split()[0] for line in (tmp_path / "dict.km.txt").read_text().splitlines()] == list(map(str, range(NUM_UNITS)))


def test_labels_at_the_rate_of_frames_hold_for_two_units(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "km.safetensors"
    assert _fit(corpus, path, "features.label_rate=25") == 0
    assert _apply(corpus, path, tmp_path) == 0
    units = next(iter(read_units(tmp_path / "train.units.jsonl").values())).frames()
    lines = [(tmp_path / f"train.{name}km").read_text().splitlines()[0] for name in ("", "even.", "odd.")]
    assert lines[0] == lines[1] == lines[2] == " ".join(map(str, units[::2]))
    assert (units[::2] == units[1::2]).all()


def test_a_price_on_changes_makes_runs_longer(corpus: Path, model: Path, tmp_path: Path) -> None:
    runs, distances = [], []
    for penalty in (0, 1, 10):
        out = tmp_path / str(penalty)
        assert _apply(corpus, model, out, f"duration_penalty={penalty}") == 0
        report = json.loads((out / "train.report.json").read_text())
        runs.append(report["mean_run_ms"])
        distances.append(report["inertia"])
    assert runs[0] < runs[1] <= runs[2]
    assert distances[0] <= distances[1] <= distances[2]


def test_labels_that_were_broken_off_go_on(corpus: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _apply(corpus, model, tmp_path / "whole") == 0
    assign, done = Quantizer.assign, 0

    def broken(self: Quantizer, *arguments: object) -> object:
        nonlocal done
        done += 1
        if done == 18:
            raise KeyboardInterrupt
        return assign(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Quantizer, "assign", broken)
    monkeypatch.setattr("av2unit.clustering.labels._SHARD", 8)
    assert _apply(corpus, model, tmp_path / "parts") == 130
    part = tmp_path / "parts" / "train.labels.part"
    assert sorted(path.name for path in part.iterdir()) == ["00000000.jsonl", "00000008.jsonl", "about.json"]
    done = 100
    assert _apply(corpus, model, tmp_path / "parts") == 0
    assert done == 100 + 42 - 16
    for name in ("train.units.jsonl", "train.km", "train.even.km", "train.report.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not part.exists()


def test_labels_begun_with_another_model_are_not_mixed(
    corpus: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.labels.part").mkdir()
    (tmp_path / "train.labels.part" / "about.json").write_text('{"vocabulary": "sha256:other"}')
    assert _apply(corpus, model, tmp_path) == 2
    assert "another model or manifest" in capsys.readouterr().err


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_fit_that_was_broken_off_gives_the_same_model(
    corpus: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_damaged: bool
) -> None:
    path, finish, done = tmp_path / "km.safetensors", FeatureStream._finish, 0

    def broken(self: FeatureStream, content: object) -> np.ndarray:
        nonlocal done
        done += 1
        if done == 23:
            raise KeyboardInterrupt
        return finish(self, content)  # type: ignore[arg-type]

    monkeypatch.setattr(FeatureStream, "_finish", broken)
    monkeypatch.setattr("av2unit.clustering.fit._Pause.is_over", lambda self: True)
    options = ("features.kind=fbank", "features.normalise=corpus", "save_every=10")
    assert _fit(corpus, path, *options) == 130
    assert not path.exists()
    (stored,) = tmp_path.glob("*.sample.*")
    if is_damaged:
        content = stored.read_bytes()
        stored.write_bytes(content[:-400] + bytes(100) + content[-300:])
    done = 100
    assert _fit(corpus, path, *options) == 0
    assert done == 100 + 42 - (0 if is_damaged else 20)
    assert load_quantizer(path).vocabulary == load_quantizer(model).vocabulary
    assert not list(tmp_path.glob("*.sample.*"))


def test_bad_clips_are_named_and_their_lines_left_empty(corpus: Path, model: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (corpus / "train.jsonl").read_text().splitlines()]
    rows[2]["audio"] = "audio/none.wav"
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["apply", "--config-name", "av2unit/kmeans_debug", f"manifest={tmp_path}/train.jsonl", f"root={corpus}"]
    assert kmeans.main([*options, f"model={model}", f"out_dir={tmp_path}", "num_workers=1"]) == 0
    assert list(json.loads((tmp_path / "train.report.json").read_text())["bad_clips"]) == [rows[2]["id"]]
    assert (tmp_path / "train.km").read_text().splitlines()[2] == ""
    assert rows[2]["id"] not in read_units(tmp_path / "train.units.jsonl")


def test_a_layer_of_an_encoder_is_clustered(corpus: Path, encoder_path: Path, tmp_path: Path, extractor) -> None:
    (tmp_path / "train.jsonl").write_text("".join((corpus / "train.jsonl").read_text().splitlines(keepends=True)[:4]))
    options = [f"manifest={tmp_path}/train.jsonl", f"root={corpus}", f"model={tmp_path}/km.safetensors", f"out_dir={tmp_path}"]
    options += ["num_workers=0", "device=cpu", "features.kind=encoder", "features.layer=1", "fit.num_clusters=5"]
    options += ["features.modalities=[audio]"]
    assert kmeans.main(["fit", "--config-name", "av2unit/kmeans_debug", *options]) == 2  # no checkpoint
    given = [*options, f"checkpoint={encoder_path}"]
    assert kmeans.main(["fit", "--config-name", "av2unit/kmeans_debug", *given]) == 0
    assert kmeans.main(["apply", "--config-name", "av2unit/kmeans_debug", *given]) == 0
    quantizer = load_quantizer(tmp_path / "km.safetensors")
    assert quantizer.features["encoder"] == extractor.fingerprint
    name, units = next(iter(read_units(tmp_path / "train.units.jsonl").items()))
    speech = MediaReader().speech(str(corpus / f"audio/{name}.wav")).astype(np.float32) / 32768
    parts = [extractor.features(1, part) for part in around(speech)]
    rows = np.stack(parts, axis=1).reshape(-1, 64)
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    nearest = np.linalg.norm(rows[:, None] - quantizer.centres, axis=-1).argmin(axis=1)
    assert (units.frames() == nearest).mean() > 0.99


def test_a_model_is_read_as_it_was_written_and_damage_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4, 3)).astype(np.float32)
    model = Quantizer(centres, np.ones(3, np.float32), np.full(3, 2, np.float32), {"kind": "fbank", "label_rate": 50}, 1.5)
    model.save(tmp_path / "m.safetensors")
    read = load_quantizer(tmp_path / "m.safetensors")
    assert read.vocabulary == model.vocabulary
    rows = rng.standard_normal((6, 3)).astype(np.float32)
    wanted = np.square(((rows - 1) / 2)[:, None] - centres).sum(-1)
    assert read.distances(rows) == pytest.approx(wanted, abs=1e-5)
    assert read.assign(rows)[0].tolist() == wanted.argmin(axis=1).tolist()
    changed = Quantizer(centres[::-1].copy(), model.mean, model.scale, model.features, 1.5)
    assert changed.vocabulary != model.vocabulary
    text = (tmp_path / "m.json").read_text()
    changed.save(tmp_path / "m.safetensors")
    (tmp_path / "m.json").write_text(text)
    refused(CheckpointError, "do not belong together", load_quantizer, tmp_path / "m.safetensors")
    (tmp_path / "m.json").write_text("{}")
    refused(CheckpointError, "no k-means model", load_quantizer, tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    "change",
    ["features.kind=mel", "features.label_rate=100", "fit.num_clusters=1", "fit.sample_share=0", "fit.num_clusters=100000"],
)
def test_settings_that_cannot_work_are_refused(corpus: Path, tmp_path: Path, change: str) -> None:
    assert _fit(corpus, tmp_path / "km.safetensors", change) == 2
    assert not (tmp_path / "km.safetensors").exists()


def _brute_force(rows: np.ndarray, others: np.ndarray) -> float:
    """The least sum over all paths, by recursion."""
    distances = np.linalg.norm(rows[:, None] - others, axis=-1)

    def least(row: int, column: int) -> float:
        if row == column == 0:
            return distances[0, 0]
        before = [(row - 1, column - 1), (row - 1, column), (row, column - 1)]
        return distances[row, column] + min(least(*place) for place in before if min(place) >= 0)

    return least(len(rows) - 1, len(others) - 1)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (5, 1), (5, 6), (6, 4)])
def test_the_path_is_the_cheapest_of_all(n: int, m: int) -> None:
    rng = np.random.default_rng(n * 10 + m)
    rows, others = (rng.standard_normal((size, 3)).astype(np.float32) for size in (n, m))
    path, distance = warp_path(rows, others)
    assert distance == pytest.approx(_brute_force(rows, others), abs=1e-4)
    assert len(path) == m
    assert (np.diff(path) >= 0).all()
    assert path.min() >= 0
    assert path.max() < n


def test_a_recording_that_was_stretched_is_followed() -> None:
    rows = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    places = np.repeat(np.arange(30), np.random.default_rng(1).integers(1, 4, 30))
    path, distance = warp_path(rows, rows[places])
    assert path.tolist() == places.tolist()
    assert distance == pytest.approx(0, abs=0.05)


@pytest.fixture
def voices(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """Three sentences by a reference and by two others that speak at their own pace; what each says, 50 units a second."""
    rng, said, rows = np.random.default_rng(0), {}, []
    for sentence in range(3):
        units = rng.integers(NUM_UNITS, size=12)
        for voice in ("reference", "slow", "fast"):
            length = {"reference": 5, "slow": 8, "fast": 4}[voice]
            name = f"{voice}{sentence}"
            said[name] = np.repeat(units, rng.integers(length - 1, length + 2, len(units)))
            write_speech(tmp_path / f"{name}.wav", sound_of(said[name], rng))
            rows.append({"id": name, "audio": f"{name}.wav", "language": "en", "text": f"sentence {sentence}"})
    rows.append({"id": "other", "audio": "slow0.wav", "language": "en", "text": "something else"})
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    references = [UnitRow(name, Units.from_frames(units, "en", VOCABULARY), {}) for name, units in said.items() if "ref" in name]
    write_units(tmp_path / "references.jsonl", references)
    return tmp_path, said


def _align(folder: Path, *more: str) -> int:
    given = [f"manifest={folder}/all.jsonl", f"references={folder}/references.jsonl", f"out_dir={folder}/out", "num_workers=0"]
    return kmeans.main(["align", *given, *more])


def test_labels_of_a_reference_are_carried_to_other_voices(voices: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, said = voices
    assert _align(folder) == 0
    found = read_units(folder / "out" / "all.units.jsonl")
    assert found.keys() == said.keys()
    for name, units in said.items():
        labels = found[name].frames()
        assert abs(len(labels) - len(units)) <= 1
        size = min(len(labels), len(units))
        assert (labels[:size] == units[:size]).mean() > (0.999 if "reference" in name else 0.85), name
        assert found[name].vocabulary == VOCABULARY
    assert list(json.loads((folder / "out" / "all.report.json").read_text())["bad_clips"]) == ["other"]
    assert (folder / "out" / "all.km").read_text().splitlines()[-1] == ""


def test_nothing_to_carry_is_an_error(voices: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, _ = voices
    write_units(folder / "references.jsonl", [UnitRow("nobody", Units.from_frames(np.arange(5)), {})])
    assert _align(folder) == 2
    assert not (folder / "out").exists()
