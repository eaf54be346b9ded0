"""Manifests and labels in their forms, what is checked before the first step, and what clips become."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from av2unit.features import audio_features
from av2unit.lips import lip_features
from av2unit.training.config import NoiseConfig
from av2unit.training.items import ClipExample, ClipItems, ValidationPair
from av2unit.training.media import MediaReader
from av2unit.training.noise import NoiseMixer, noise_files
from avcore.data.corpus import read_corpus
from avcore.data.labels import read_dictionaries, read_labels
from avcore.data.unit_store import UnitRow, iter_units, write_units
from avcore.errors import InputError, NetflipsError, UnitError, UsageError, VocabularyError
from avcore.media import read_gray_video, read_speech
from avcore.units import Units
from tests.av2unit.made_clips import NUM_UNITS, VOCABULARY, write_corpus
from tests.av2unit.training_runs import CROP, SIDE, task_of
from tests.refusal import refused

PUBLISHED = {"kind": "tsv", "labels": "even.km,odd.km"}
PLAIN = ("masking.mask_prob=0", "masking.modality_dropout=0", "augment.random_crop=false", "augment.flip_prob=0")


def _items(corpus: Path, *more: str, **forms: str) -> ClipItems:
    return task_of(corpus, *more, **forms).prepared.train


def _item(items: ClipItems, index: int, epoch: int = 0) -> ClipExample:
    item = items.load((epoch, index))
    assert isinstance(item, ClipExample)
    return item


def test_the_published_forms_and_json_lines_say_the_same(corpus: Path) -> None:
    new, published = _items(corpus, *PLAIN), _items(corpus, *PLAIN, **PUBLISHED)
    assert len(new) == len(published) == 42
    assert new.lengths() == published.lengths()
    for index in (0, 3, 20):
        assert new.name(index) == published.name(index)
        for left, right in zip(_item(new, index), _item(published, index), strict=True):
            assert np.array_equal(left, right)


def test_a_plain_clip_is_what_inference_sees(corpus: Path) -> None:
    items = _items(corpus, *PLAIN)
    clip = read_corpus(corpus / "train.jsonl").clips[5]
    item = _item(items, 5)
    lips = read_gray_video(clip.lips)
    assert np.array_equal(item.audio, audio_features(read_speech(clip.audio), 4, True, len(lips)))
    assert np.allclose((item.video / 255.0 - 0.421) / 0.165, lip_features(lips, CROP, 0.421, 0.165), atol=1e-5)
    units = next(row.units for row in iter_units(corpus / "train.units.jsonl") if row.id == clip.id)
    assert np.array_equal(item.targets.ravel(), units.frames() + 4)
    assert not item.mask.any()


def test_the_same_key_gives_the_same_item_and_others_differ(corpus: Path) -> None:
    options = ("noise.noise_prob=1", f"noise.noise_wav={corpus}/noise", "augment.warp=0.1", "augment.rotate_deg=5", PLAIN[1])
    items, again = _items(corpus, *options), _items(corpus, *options)
    for left, right in zip(_item(items, 2), _item(again, 2), strict=True):
        assert np.array_equal(left, right)
    assert not np.array_equal(_item(items, 2).audio, _item(items, 2, epoch=1).audio)
    assert not np.array_equal(_item(items, 2).video, _item(items, 2, epoch=1).video)


def test_long_clips_are_cut_at_random_in_sound_lips_and_labels_alike(corpus: Path) -> None:
    whole, cut = _items(corpus, *PLAIN), _items(corpus, *PLAIN, "data.crop_frames=10", "data.cache_gb=0.5")
    assert max(cut.lengths()) == 10
    full, starts = _item(whole, 1), set()
    for epoch in range(30):
        part = _item(cut, 1, epoch)
        start = next(s for s in range(len(full.targets)) if np.array_equal(full.audio[s : s + 10], part.audio))
        assert np.array_equal(full.video[start : start + 10], part.video)
        assert np.array_equal(full.targets[start : start + 10], part.targets)
        starts.add(start)
    assert len(starts) > 5


def test_modalities_are_left_out_as_often_as_asked(corpus: Path) -> None:
    items = _items(corpus, "masking.modality_dropout=0.5", "masking.audio_dropout=0.25", "data.crop_frames=8", "data.cache_gb=0.5")
    drawn = [_item(items, index, epoch) for epoch in range(20) for index in range(42)]
    without_sound = np.mean([item.audio is None for item in drawn])
    without_lips = np.mean([item.video is None for item in drawn])
    assert without_sound == pytest.approx(0.125, abs=0.04)
    assert without_lips == pytest.approx(0.375, abs=0.05)
    assert not any(item.audio is None and item.video is None for item in drawn)


def test_sound_left_out_is_not_read_and_its_hidden_spans_count(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = _items(corpus, "masking.modality_dropout=1", "masking.audio_dropout=1", "masking.mask_prob_audio=0.5")
    monkeypatch.setattr(MediaReader, "speech", lambda *_: pytest.fail("was read"))
    item = _item(items, 3)
    assert item.audio is None
    assert item.video is not None
    assert item.audio_mask.any()
    assert np.array_equal(item.mask & item.audio_mask, item.audio_mask)


def test_validation_hides_spans_and_changes_nothing_else(corpus: Path) -> None:
    valid = task_of(corpus, "augment.brightness=0.5", "noise.noise_prob=1", f"noise.noise_wav={corpus}/noise").prepared.valid
    pair = valid.load((0, 0))
    assert isinstance(pair, ValidationPair)
    assert pair.hidden.mask.any()
    assert not pair.whole.mask.any()
    assert np.array_equal(pair.whole.audio, pair.hidden.audio)
    is_other = (pair.whole.video != pair.hidden.video).any(axis=(1, 2))
    assert is_other.any()
    assert not (is_other & ~pair.hidden.mask).any()


# What is checked before the first step


def _rewrite(folder: Path, name: str, change: str, to: str) -> None:
    (folder / name).write_text((folder / name).read_text().replace(change, to, 1))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few")
    write_corpus(folder, count=8, side=SIDE, frames=(18, 30))
    return folder


@pytest.fixture
def few(made: Path, tmp_path: Path) -> Path:
    """Eight clips, to be changed."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    for table in tmp_path.glob("*.tsv"):
        table.write_text(table.read_text().replace(str(made), str(tmp_path)))
    return tmp_path


def test_clips_with_labels_too_long_or_missing_are_named(few: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = list(iter_units(few / "train.units.jsonl"))
    first = np.eye(1, len(rows[1].units), dtype=np.int64)[0]
    nearly, longer = (Units(rows[1].units.ids, rows[1].units.durations + more * first, "en", VOCABULARY) for more in (4, 5))
    write_units(few / "train.units.jsonl", [rows[0], UnitRow(rows[1].id, nearly, {}), *rows[2:]])
    assert len(task_of(few).prepared.train) == 6, "below a tenth of a second"
    write_units(few / "train.units.jsonl", [rows[0], UnitRow(rows[1].id, longer, {}), *rows[3:]])
    with caplog.at_level(logging.WARNING):
        task = task_of(few)
    left_out = {one.id: one.reason for one in task.prepared.left_out}
    assert left_out == {"clip001": "with labels of another length", "clip002": "without labels"}
    assert "clip001" in caplog.text
    assert len(task.prepared.train) == 4
    task.write_left_out()
    assert [json.loads(line)["id"] for line in (few / "none" / "left_out.jsonl").read_text().splitlines()] == ["clip001", "clip002"]


def test_missing_files_are_reported_and_too_many_stop_the_run(few: Path) -> None:
    (few / "audio" / "clip003.wav").unlink()
    assert [one.detail for one in task_of(few).prepared.left_out] == [f"{few}/audio/clip003.wav is not there"]
    (few / "audio" / "clip004.wav").unlink()
    refused(InputError, "2 with a missing file of 6", task_of, few)


def test_labels_and_media_are_compared_again_when_they_are_read(few: Path) -> None:
    row, *others = map(json.loads, (few / "train.jsonl").read_text().splitlines())
    row["lips"] = next(other["lips"] for other in others if abs(other["frames"] - row["frames"]) > 3)
    del row["frames"], row["samples"]
    (few / "train.jsonl").write_text(json.dumps(row) + "\n")
    refused(InputError, "differ in length", task_of(few).prepared.train.load, (0, 0))


@pytest.mark.parametrize(
    ("spoil", "more", "error", "complaint"),
    [
        (("train.units.jsonl", '"units": [', '"units": [7, '), (), UnitError, "these are no units"),
        (("train.units.jsonl", VOCABULARY, "sha256:other"), (), VocabularyError, "several quantizers"),
        (("valid.units.jsonl", VOCABULARY, VOCABULARY), ("data.units_vocabulary=sha256:x",), VocabularyError, "_vocabulary says"),
        (None, ("data.num_units=4",), UnitError, "not in the dictionary"),
        (None, ("data.train_labels=[a,b,c]",), UsageError, "one or two text files"),
        (None, ("data.train_labels=[nowhere.jsonl]",), InputError, "is not there"),
        (None, ("data.max_frames=10",), InputError, "no clip can be used"),
        (None, ("loss.masked_weight=0", "loss.unmasked_weight=0"), UsageError, "nothing would be learnt"),
        (None, ("loss.unmasked_weight=0", "masking.mask_prob=0"), UsageError, "nothing would be learnt"),
        (None, ("noise.noise_prob=0.5",), UsageError, "noise files"),
        (None, ("noise.noise_prob=0.5", "noise.kinds=[wind]"), UsageError, "noise.kinds"),
        (None, ("noise.snr_db=[5,0]",), UsageError, "snr_db"),
        (None, ("augment.scale=2",), UsageError, "augment.scale"),
        (None, ("init.frozen=[nothing]",), UsageError, "init.frozen"),
        (None, ("model.encoder_attention_heads=5",), UsageError, "cannot be built"),
        (None, ("model.stack_order_audio=3",), UsageError, "audio_feat_dim"),
        (None, ("decoding.method=beam",), UsageError, "decoding"),
        (None, ("init.heads=keep",), UsageError, "no heads to keep"),
        (None, ("data.valid_labels=[]",), UsageError, "go together"),
    ],
)
def test_what_does_not_fit_is_an_error_before_the_first_step(
    few: Path, spoil: tuple[str, str, str] | None, more: tuple[str, ...], error: type[NetflipsError], complaint: str
) -> None:
    if spoil:
        _rewrite(few, *spoil)
    refused(error, complaint, task_of, few, *more)


def test_validation_labels_of_another_quantizer_are_refused(few: Path) -> None:
    text = (few / "valid.units.jsonl").read_text().replace(VOCABULARY, "sha256:other")
    (few / "valid.units.jsonl").write_text(text)
    refused(VocabularyError, "different quantizers", task_of, few)
    assert task_of(few, "data.allow_other_vocabulary=true").prepared.vocabulary == VOCABULARY


def test_label_files_have_either_rate_and_a_line_for_each_clip(few: Path) -> None:
    manifest, even, odd = read_corpus(few / "train.tsv"), few / "train.even.km", few / "train.odd.km"
    both = read_labels([str(even), str(odd)], manifest, 50)
    merged = few / "train.km"
    merged.write_text("".join(" ".join(map(str, both.of(index))) + "\n" for index in range(6)))
    assert np.array_equal(read_labels([str(merged)], manifest, 50).values, both.values)
    assert np.array_equal(read_labels([str(even)], manifest, 25).of(2), np.repeat(both.of(2)[::2], 2))
    even.write_text(even.read_text() + "1 2 3\n")
    refused(InputError, "different numbers of lines", read_labels, [str(even), str(odd)], manifest, 50)
    refused(InputError, "expected 6 lines; found 7", read_labels, [str(even)], manifest, 25)


def test_dictionaries_number_the_classes_and_must_agree(few: Path) -> None:
    labels = read_labels([str(few / "train.units.jsonl")], read_corpus(few / "train.jsonl"), 50)
    assert read_dictionaries([], labels, 0)[0] == ["<s>", "<pad>", "</s>", "<unk>", *map(str, range(NUM_UNITS))]
    (few / "dict.a.txt").write_text("".join(f"{unit} 3\n" for unit in reversed(range(NUM_UNITS))))
    assert read_dictionaries([str(few / "dict.a.txt")], labels, 0)[1][4:6] == ["5", "4"]
    item = _item(_items(few, *PLAIN, f"data.dictionaries=[{few}/dict.a.txt]"), 0)
    assert item.targets.ravel()[0] == 4 + 5 - labels.of(0)[0]
    refused(InputError, "differ", read_dictionaries, [str(few / "dict.a.txt"), str(few / "dict.km.txt")], labels, 0)
    (few / "dict.b.txt").write_text("1 1\n1 1\n")
    refused(InputError, "twice", read_dictionaries, [str(few / "dict.b.txt")], labels, 0)


def test_rare_classes_weigh_more_when_asked_to(few: Path) -> None:
    assert task_of(few).prepared.class_weights is None
    prepared = task_of(few, "loss.class_balance=0.5").prepared
    labels = read_labels([str(few / "train.units.jsonl")], read_corpus(few / "train.jsonl"), 50)
    counts = np.bincount(labels.values, minlength=NUM_UNITS)
    weights = prepared.class_weights.numpy()[4:]
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1.0, rel=1e-5)
    assert weights[1] / weights[0] == pytest.approx((counts[0] / counts[1]) ** 0.5, rel=1e-5)


def test_an_entry_may_be_repeated_and_no_manifest_is_named(few: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (few / "train.jsonl").read_text().splitlines()]
    rows[1]["repeat"] = 3
    (few / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = _items(few)
    assert [items.name(index) for index in range(len(items))].count(rows[1]["id"]) == 3
    (tmp_path / "a.tsv").write_text("/root\nid\tvideo\taudio\tx\t3\n")
    refused(InputError, "line 2 is no clip", read_corpus, tmp_path / "a.tsv")
    (tmp_path / "a.jsonl").write_text('{"id": "a", "audio": "a.wav", "repeat": -1}\n')
    refused(InputError, "cannot be repeated", read_corpus, tmp_path / "a.jsonl")


def test_media_in_memory_are_the_same_and_the_limit_holds(few: Path) -> None:
    clips = read_corpus(few / "train.jsonl").clips
    media = MediaReader()
    media.preload([clip.audio for clip in clips], [clip.lips for clip in clips], 1e-9)
    assert np.array_equal(media.speech(clips[0].audio), MediaReader().speech(clips[0].audio))
    (few / "audio" / "clip000.wav").unlink()
    assert len(media.speech(clips[0].audio))
    refused(InputError, "", MediaReader().speech, clips[0].audio)
    (few / "audio" / "clip001.wav").unlink()
    with pytest.raises(InputError):
        media.speech(clips[1].audio)  # beyond the limit, so it is read now


def test_noise_comes_from_a_folder_a_list_the_corpus_or_nowhere(few: Path) -> None:
    assert len(noise_files(str(few / "noise"), "train")) == 3
    (few / "noise" / "train.tsv").write_text(f"{few}/noise/noise0.wav\n")
    assert noise_files(str(few / "noise"), "train") == [f"{few}/noise/noise0.wav"]
    assert len(noise_files(str(few / "noise"), "valid")) == 3
    (few / "list.txt").write_text(f"{few}/noise/none.wav\n")
    refused(InputError, "not there", noise_files, str(few / "list.txt"), "train")
    speech = [clip.audio for clip in read_corpus(few / "train.jsonl").clips]
    samples = np.round(1000 * np.random.default_rng(1).standard_normal(50000))
    for kinds in (("files",), ("coloured",), ("speech",)):
        mixer = NoiseMixer(NoiseConfig(1.0, (6.0, 6.0), str(few / "noise"), kinds), "train", speech, MediaReader())
        added = mixer(samples, np.random.default_rng(2)) - samples
        assert 10 * np.log10(np.mean(samples**2) / np.mean(added**2)) == pytest.approx(6.0, abs=0.1)
