"""What a step of the vocoder is fed with: segments of sound and units that belong together, and batches of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.errors import InputError, NetflipsError
from avcore.media import write_speech
from avcore.units import Units
from avdata.published.unit2a import read_utterances
from avdata.unit_store import UnitRow, write_units
from recipes.made.tones import TonesCorpus
from tests.unit2av.vocoder_runs import data_config, settings
from unit2av.voice.training.config import VoiceDataConfig
from unit2av.voice.training.corpus import read_voice_corpus, reading_of
from unit2av.voice.training.items import AlignedReader, HeldOut, TrainingSegments, collate_speech, normalise_peak


def ramp_corpus(folder: Path, steps: int, rate: int = 16_000) -> VoiceDataConfig:
    """One recording that rises from 0 to its end, so that each sample tells where it was; every step is a unit."""
    write_speech(folder / "ramp.wav", np.linspace(0, 0.5, 320 * steps * rate // 16_000 + 100), rate)
    (folder / "train.jsonl").write_text('{"id": "ramp", "audio": "ramp.wav"}\n')
    rows = [UnitRow("ramp", Units(np.arange(steps), np.ones(steps, dtype=int)), {"speaker_embedding": [1.0]})]
    write_units(folder / "units.jsonl", rows)
    return data_config(train=str(folder / "train.jsonl"), units=str(folder / "units.jsonl"))


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_segments_are_aligned_and_normalised(tmp_path: Path, rate: int) -> None:
    config = ramp_corpus(tmp_path, 100, rate)
    items = TrainingSegments(read_utterances(config.train, config.units, reading_of(config)), config, seed=3)
    assert (len(items), items.lengths(), items.name(0)) == (1, [28], "ramp")
    starts = set()
    for epoch in range(12):
        segment = items.load((epoch, 0))
        assert (segment.frames.shape, segment.samples.shape, segment.samples.dtype) == ((28,), (8960,), np.float32)
        start = int(segment.frames[0])
        assert segment.frames.tolist() == list(range(start, start + 28))
        middle = segment.samples.reshape(28, 320).mean(1)
        np.testing.assert_allclose(middle, 0.95 * (np.arange(start, start + 28) + 0.5) / 100.3, atol=2e-3)
        starts.add(start)
    assert len(starts) > 6
    assert all(0 <= start <= 72 for start in starts)
    np.testing.assert_array_equal(items.load((4, 0)).samples, items.load((4, 0)).samples)


def test_short_recordings_are_doubled_and_epochs_repeat_items(tmp_path: Path) -> None:
    config = replace(ramp_corpus(tmp_path, 10), segments_per_item=3)
    utterances = read_utterances(config.train, config.units, reading_of(config))
    items = TrainingSegments(utterances, config, seed=3)
    assert len(items) == 3
    segments = [items.load((0, index)) for index in range(3)]
    assert {len(segment.frames) for segment in segments} == {28}
    start = int(segments[0].frames[0])
    assert segments[0].frames.tolist() == [(start + step) % 10 for step in range(28)]
    assert len({int(segment.frames[0]) for segment in segments}) > 1
    held_out = HeldOut(utterances, config).load((0, 0))
    assert held_out.frames.tolist() == list(range(10)) * 4
    assert len(HeldOut(utterances, replace(config, valid_units_at_most=4)).load((7, 0)).samples) == 4 * 320


def test_sound_and_units_must_last_equally_long(tmp_path: Path) -> None:
    config = ramp_corpus(tmp_path, 100)
    (utterance,) = read_utterances(config.train, config.units, reading_of(config))
    write_speech(tmp_path / "ramp.wav", np.linspace(0, 0.5, 320 * 80))
    frames, samples = AlignedReader(config)(utterance)
    assert (len(frames), len(samples)) == (80, 25_600)
    write_speech(tmp_path / "ramp.wav", np.linspace(0, 0.5, 320 * 70))
    with pytest.raises(InputError, match=r"expected 2.00 s; found 1.40 s"):
        AlignedReader(config)(utterance)
    write_speech(tmp_path / "ramp.wav", np.zeros(32_000))
    with pytest.raises(InputError, match="no sound"):
        AlignedReader(config)(utterance)


def test_voices_are_moved_within_bounds_and_sound_stays(tmp_path: Path) -> None:
    config = ramp_corpus(tmp_path, 100)
    voice = np.random.default_rng(0).random(64).astype(np.float32)
    utterances = [replace(one, voice=voice) for one in read_utterances(config.train, config.units, reading_of(config))]
    plain, moved = (TrainingSegments(utterances, replace(config, voice_noise=noise), seed=3) for noise in (0.0, 0.3))
    np.testing.assert_array_equal(plain.load((0, 0)).voice, voice)
    found = [moved.load((epoch, 0)) for epoch in range(20)]
    likeness = [float(one.voice @ voice / np.linalg.norm(voice) ** 2) for one in found]
    assert all(0.9 < value < 0.99 for value in likeness)
    assert len(set(likeness)) == 20
    np.testing.assert_allclose([np.linalg.norm(one.voice) for one in found], np.linalg.norm(voice), rtol=1e-5)
    np.testing.assert_array_equal(found[7].voice, moved.load((7, 0)).voice)
    for epoch, one in enumerate(found):
        np.testing.assert_array_equal(one.samples, plain.load((epoch, 0)).samples)


def test_what_is_kept_in_memory_is_the_same(songs: TonesCorpus, tmp_path: Path) -> None:
    config = settings(songs, tmp_path).data
    utterances = [replace(one, voice=np.ones(1)) for one in read_utterances(config.train, config.units, reading_of(config))]
    plain, kept = (TrainingSegments(utterances, replace(config, preload=preload), seed=1) for preload in (False, True))
    for index in range(4):
        np.testing.assert_array_equal(plain.load((2, index)).samples, kept.load((2, index)).samples)
    damaged = replace(utterances[0], id="damaged", audio=tmp_path / "none.wav")
    with pytest.raises(NetflipsError, match=r"none\.wav"):
        TrainingSegments([damaged], replace(config, preload=True), seed=1).load((0, 0))


def test_a_batch_of_unequal_lengths(songs: TonesCorpus, tmp_path: Path) -> None:
    corpus = read_voice_corpus(settings(songs, tmp_path))
    held_out = [HeldOut(corpus.train, data_config(valid_units_at_most=most)).load((0, 0)) for most in (30, 20)]
    batch = collate_speech(held_out)
    assert (batch["frames"].shape, batch["samples"].shape, batch["num_frames"]) == ((2, 30), (2, 9600), [30, 20])
    assert not batch["samples"][1, 6400:].any()
    assert batch["runs"].is_run.sum(1).tolist() == [len(Units.from_frames(one.frames)) - 2 for one in held_out]


def test_normalising_silence_leaves_silence() -> None:
    assert normalise_peak(np.array([0.1, -0.2], np.float32), 0.95).tolist() == pytest.approx([0.475, -0.95])
    assert not normalise_peak(np.zeros(3, np.float32), 0.95).any()
