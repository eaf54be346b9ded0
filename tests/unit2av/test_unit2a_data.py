"""What the vocoder learns from: manifests, voices, segments of sound and units, and complaints before the first step."""

import json
import os
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avcore.checkpoints.vocoder_files import read_generator, read_unit_item
from avcore.data.corpus import UnitCorpusConfig, unit_of_silence
from avcore.data.published.unit2a import check_range, read_utterances
from avcore.data.unit_store import UnitRow, write_units
from avcore.errors import InputError, NetflipsError, UnitError, UnitRangeError, UsageError, VocabularyError
from avcore.media import write_speech
from avcore.units import Units
from recipes.made.tones import VOCABULARY, TonesCorpus, sing_corpus
from tests.refusal import refused
from tests.unit2av.vocoder_runs import data_config, settings
from unit2av.speaker import encoder_fingerprint
from unit2av.voice.training.config import Unit2aConfig, VoiceDataConfig
from unit2av.voice.training.corpus import VoiceCorpus, read_voice_corpus
from unit2av.voice.training.items import HeldOut, TrainingSegments, collate_speech, normalise_peak, read_aligned


@pytest.mark.parametrize("shift", [0, 4])
def test_the_published_form_gives_the_same_corpus(songs: TonesCorpus, tmp_path: Path, shift: int) -> None:
    ours = read_voice_corpus(settings(songs, tmp_path)).train
    lines = []
    for row in map(json.loads, songs.units.read_text().splitlines()):
        codes = np.repeat(row["units"], row["durations"]) + shift
        torch.save({"code": torch.tensor(codes), "spkr": torch.tensor(row["speaker_embedding"])}, tmp_path / f"{row['id']}.pt")
        audio = songs.manifest.parent / "wav" / f"{row['id']}.wav"
        lines.append(str({"audio": str(audio), "unit_path": f"{row['id']}.pt"}))
    path = tmp_path / "train.txt"
    path.write_text("\n".join(lines) + "\n")
    theirs = read_voice_corpus(settings(songs, tmp_path, train=str(path), units="", first_unit=shift)).train
    assert len(ours) == len(theirs) == 8
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.units.frames(), other.units.frames())
        np.testing.assert_allclose(one.voice, other.voice, rtol=1e-6)
        assert one.audio == other.audio
    assert read_voice_corpus(settings(songs, tmp_path)).vocabulary == VOCABULARY


def test_recordings_of_a_lower_rate_than_the_voice_are_reported(
    songs: TonesCorpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read_voice_corpus(settings(songs, tmp_path))
    assert "nothing is learnt" not in caplog.text
    read_voice_corpus(settings(songs, tmp_path, rate=24000))
    assert "8 of the 8 recordings that were looked at have less than 24000 Hz" in caplog.text


def test_units_may_stand_in_the_published_line_which_runs_nothing(songs: TonesCorpus, tmp_path: Path) -> None:
    audio = songs.manifest.parent / "wav" / "tones_0000.wav"
    path = tmp_path / "train.txt"
    path.write_text(str({"audio": str(audio), "hubert": "5 5 6", "duration": 0.06}) + "\n")
    (found,) = read_utterances(path, "", UnitCorpusConfig())
    assert (found.units.ids.tolist(), found.units.durations.tolist(), found.voice) == ([5, 6], [2, 1], None)
    trace = tmp_path / "trace"
    path.write_text(f"{{'audio': __import__('os').mkdir({str(trace)!r}), 'unit_path': 'x.pt'}}\n")
    refused(InputError, r"train\.txt:1: this is no Python dict literal", read_utterances, path, "", UnitCorpusConfig())
    assert not trace.exists()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{'audio': 3}", "needs an 'audio' path"),
        ("{'audio': 'a.wav'}", "needs units"),
        ("{'audio': 'a.wav', 'hubert': '1 x'}", "token 1 is not a unit"),
        ("{'audio': 'a.wav', 'hubert': ''}", "no units"),
        ("{'audio': 'a.wav', 'hubert': '1 -1'}", "position 1"),
        ("{'audio': 'a.wav', 'unit_path': 'none.pt'}", r"none\.pt"),
        ("{'audio': 'a.wav', 'hubert': '1 2'}", r"1 recording missing; found .*a\.wav"),
        ("{'audio': " + "(" * 3000, "no Python dict literal"),
    ],
)
def test_a_published_line_that_cannot_be_used(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "train.txt"
    path.write_text(line + "\n")
    refused(InputError, complaint, read_utterances, path, "", UnitCorpusConfig())


def rewrite(corpus: TonesCorpus, path: Path, change: object) -> str:
    rows = [change(number, json.loads(line)) for number, line in enumerate(corpus.units.read_text().splitlines())]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows if row))
    return str(path)


def test_units_are_checked_before_the_first_step(songs: TonesCorpus, tmp_path: Path) -> None:
    units = tmp_path / "units.jsonl"

    def broken(change: object, **more: object) -> VoiceCorpus:
        return read_voice_corpus(settings(songs, tmp_path, units=rewrite(songs, units, change), **more))

    refused(InputError, r"1 utterance .*tones_0003", broken, lambda number, row: row if number != 3 else None)
    with pytest.raises(UnitError, match=r"tones_0000: these units have no durations.*frame_level"):
        broken(lambda _, row: {**row, "durations": None})
    with pytest.raises(VocabularyError, match=r"mixed; expected one \(.*tones_0000\); found another \(sha256:f, tones_0002\)"):
        broken(lambda number, row: row if number != 2 else {**row, "vocabulary": "sha256:f"})
    with pytest.raises(InputError, match=r"differ in length; expected one \(16 values, tones_0000\); found another \(2 values"):
        broken(lambda number, row: row if number != 1 else {**row, "speaker_embedding": [1.0, 2.0]})
    refused(InputError, "NaN, which is no number", broken, lambda _, row: {**row, "speaker_embedding": [float("nan")]})
    with pytest.raises(InputError, match="'tones_0001' is there twice"):
        broken(lambda number, row: {**row, "id": "tones_0001"} if number == 4 else row)
    corpus = broken(lambda number, row: {**row, "units": [*row["units"][:-1], 20]} if number == 5 else row)
    with pytest.raises(UnitRangeError, match=r"tones_0005: unit at position \d+ is out of range; expected 0..19; found 20"):
        check_range(corpus.train, 20)
    frames = broken(lambda _, row: {**row, "units": [4, 4, 5] * 13, "durations": None}, frame_level=True)
    assert frames.train[0].units.durations.tolist()[:3] == [2, 1, 2]
    assert len(broken(lambda number, row: row if number else None, allow_missing=True).train) == 7


def test_units_of_an_unknown_quantizer_are_warned_of(songs: TonesCorpus, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    units = rewrite(songs, tmp_path / "units.jsonl", lambda _, row: {**row, "vocabulary": ""})
    assert read_voice_corpus(settings(songs, tmp_path, units=units)).vocabulary == ""
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "8 utterances do not say which quantizer made the units; state it with data.units_vocabulary"
    ]
    caplog.clear()
    assert read_voice_corpus(settings(songs, tmp_path, units=units, units_vocabulary="sha256:a")).vocabulary == "sha256:a"
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_missing_recordings_are_named_held_out_ones_not_trained_on(songs: TonesCorpus, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"8 recordings missing; found tones_0000 \(.* and 3 more; set data.root"):
        read_voice_corpus(settings(songs, tmp_path, root=str(tmp_path)))
    refused(InputError, "needs units", read_voice_corpus, settings(songs, tmp_path, units=""))
    corpus = read_voice_corpus(settings(songs, tmp_path, hold_out=3))
    train, valid = ({one.id for one in part} for part in (corpus.train, corpus.valid))
    assert (len(train), len(valid), len(train | valid)) == (5, 3, 8)
    refused(UsageError, "nothing is left", read_voice_corpus, settings(songs, tmp_path, hold_out=8))


def test_the_unit_of_silence_is_the_most_frequent_end() -> None:
    utterances = [Units(np.array(ids), np.full(len(ids), 2)) for ids in ([3, 5, 5, 5, 9], [9, 5, 4], [4, 5, 3, 9])]
    assert unit_of_silence("auto", utterances) == 9
    assert unit_of_silence("auto", [*utterances, *[Units(np.array([4]), np.array([8]))] * 2]) == 4
    assert (unit_of_silence("3", utterances), unit_of_silence("0", utterances)) == (3, 0)
    assert unit_of_silence("", utterances) is None
    assert unit_of_silence("auto", []) is None


@pytest.mark.parametrize("suffix", [".npz", ".jsonl"])
def test_voices_by_id(songs: TonesCorpus, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"voices{suffix}"
    voices = {f"tones_{number:04d}": np.full(5, number + 1.0) for number in range(8)}
    if suffix == ".npz":
        np.savez(path, **voices)
    else:
        path.write_text("".join(json.dumps({"id": name, "speaker_embedding": list(v)}) + "\n" for name, v in voices.items()))
    corpus = read_voice_corpus(settings(songs, tmp_path, speakers=str(path)))
    assert (corpus.speaker_dim, corpus.train[2].voice.tolist()) == (5, [3.0] * 5)
    with pytest.raises(InputError, match=r"1 utterance without a voice in data.speakers; found none for tones_0007"):
        del voices["tones_0007"]
        np.savez(tmp_path / "fewer.npz", **voices)
        read_voice_corpus(settings(songs, tmp_path, speakers=str(tmp_path / "fewer.npz")))
    fewer = read_voice_corpus(settings(songs, tmp_path, speakers=str(tmp_path / "fewer.npz"), allow_missing=True))
    assert [one.id for one in fewer.train] == [f"tones_{number:04d}" for number in range(7)]


def test_voices_are_computed_once(songs: TonesCorpus, tmp_path: Path, parity_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units = rewrite(songs, tmp_path / "units.jsonl", lambda _, row: {k: v for k, v in row.items() if k != "speaker_embedding"})
    encoder = str(parity_dir / "unit2av_spk_encoder.pt")
    config = settings(songs, tmp_path / "run", units=units, speaker_encoder=encoder)
    with monkeypatch.context() as several:
        several.setenv("WORLD_SIZE", "2")
        refused(UsageError, r"no voice yet of 8 utterances.*check_only=true", read_voice_corpus, config)
    first = read_voice_corpus(config)
    assert first.speaker_dim == 256
    cache = tmp_path / "run" / "speakers.jsonl"
    content = cache.read_bytes()
    cache.write_bytes(content[:-20])  # stopped while the last line was written
    again = read_voice_corpus(config)
    assert cache.read_bytes() == content
    np.testing.assert_array_equal(first.train[7].voice, again.train[7].voice)
    lines = content.splitlines(keepends=True)
    cache.write_bytes(b"".join([*lines[:2], b"\0" * 40 + lines[2][40:], *lines[3:]]))
    again = read_voice_corpus(config)
    assert cache.read_bytes() == b"".join([*lines[:2], *lines[3:], lines[2]])
    np.testing.assert_array_equal(first.train[2].voice, again.train[2].voice)
    shared = read_voice_corpus(settings(songs, tmp_path / "other", units=units, speakers=str(cache)))
    np.testing.assert_array_equal(shared.train[0].voice, first.train[0].voice)
    assert shared.encoder == first.encoder == encoder_fingerprint(encoder)


def test_voices_of_another_encoder_are_computed_anew(
    songs: TonesCorpus, tmp_path: Path, parity_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = rewrite(songs, tmp_path / "units.jsonl", lambda _, row: {k: v for k, v in row.items() if k != "speaker_embedding"})
    config = settings(songs, tmp_path / "run", units=units, speaker_encoder=str(parity_dir / "unit2av_spk_encoder.pt"))
    first, cache = read_voice_corpus(config), tmp_path / "run" / "speakers.jsonl"
    theirs = read_voice_corpus(replace(config, data=replace(config.data, speaker_encoder="")))
    assert (first.encoder, theirs.encoder) == (encoder_fingerprint(config.data.speaker_encoder), encoder_fingerprint())
    assert not np.allclose(theirs.train[0].voice, first.train[0].voice)
    monkeypatch.setattr("unit2av.voice.training.corpus.open_speaker_encoder", pytest.fail)
    np.testing.assert_array_equal(read_voice_corpus(config).train[0].voice, first.train[0].voice)

    rows = [json.loads(line) for line in cache.read_text().splitlines()]
    assert len(rows) == 2 * len(first.train)
    said = {row["id"]: row for row in rows[1 : 1 + len(first.train)]}  # one voice of theirs, seven of the first encoder
    mixed = rewrite(
        songs, tmp_path / "mixed.jsonl", lambda _, row: row | {k: v for k, v in said[row["id"]].items() if "speak" in k}
    )
    with pytest.raises(
        InputError, match=r"the voices are of two speaker encoders; expected one \(sha256:.*found another \(sha256:"
    ):
        read_voice_corpus(replace(config, data=replace(config.data, units=str(mixed))))


def test_recordings_without_a_voice_are_left_out(tmp_path: Path, parity_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    corpus = sing_corpus(tmp_path / "tones", utterances=2, steps=40)
    write_speech(tmp_path / "tones" / "wav" / "tones_0001.wav", np.zeros(16_000, np.float32))
    units = rewrite(corpus, tmp_path / "units.jsonl", lambda _, row: {k: v for k, v in row.items() if k != "speaker_embedding"})
    config = settings(corpus, tmp_path, units=units, speaker_encoder=str(parity_dir / "unit2av_spk_encoder.pt"))
    assert [one.id for one in read_voice_corpus(config).train] == ["tones_0000"]
    assert sum("left out tones_0001" in record.message for record in caplog.records) == 1
    assert [one.id for one in read_voice_corpus(config).train] == ["tones_0000"]


def test_other_units_of_a_recording_are_one_more_utterance(songs: TonesCorpus, tmp_path: Path) -> None:
    def as_seen(number: int, row: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name != "speaker_embedding"} | {"units": [7] * len(row["units"])}

    seen = rewrite(songs, tmp_path / "seen.jsonl", as_seen)
    plain = read_voice_corpus(settings(songs, tmp_path, hold_out=2))
    both = read_voice_corpus(settings(songs, tmp_path, hold_out=2, more_units=(str(seen),), preload=True))
    assert [one.id for one in both.train] == [one.id for one in plain.train] * 2
    assert [one.id for one in both.valid] == [one.id for one in plain.valid]
    segments = TrainingSegments(both.train, data_config(preload=True), 0)
    for number, (one, other) in enumerate(zip(both.train[:6], both.train[6:], strict=True)):
        np.testing.assert_array_equal(one.voice, other.voice)
        assert set(other.units.ids.tolist()) == {7}
        assert set(segments.load((0, number)).frames.tolist()) != {7}
        assert set(segments.load((0, number + 6)).frames.tolist()) == {7}
    with pytest.raises(UsageError, match=r"data.more_units stand beside data.units"):
        settings(songs, tmp_path, units="", more_units=("seen.jsonl",)).data.check()


@pytest.mark.parametrize(
    "override",
    [
        "losses.mel=-1", "losses.adversarial_from=2", "data.peak=0", "data.segment_units=3", "data.segments_per_item=0",
        "data.valid_units_at_most=5", "edge_unit=1000", "edge_unit=-1", "edge_unit=silence",
        "model.upsample_rates=[5,4,4,2,1]", "model.upsample_kernels=[11,8]", "model.channels=40", "model.pre_kernel=4",
        "model.resblock_dilations=[[1]]", "model.upsample_kernels=[11,8,8,4,3]", "discriminators.scale_groups=[1]",
    ],
)  # fmt: skip
def test_settings_that_cannot_work(override: str) -> None:
    from avcore.train.entry import read_config

    refused(UsageError, "", read_config, Unit2aConfig, "unit2av/unit2a", ["run_dir=r", "data.train=t", override])


CODES = [5, 5, 7]


def test_codes_and_voice_in_every_shape(tmp_path: Path) -> None:
    codes = torch.tensor(CODES), torch.tensor([CODES]), torch.tensor(CODES, dtype=torch.int32), np.array(CODES)
    voices = torch.ones(4), torch.ones(1, 1, 4), np.ones(4), np.ones((1, 4), np.float32)
    for code, voice in product(codes, voices):
        torch.save({"code": code, "spkr": voice}, tmp_path / "x.pt")
        item = read_unit_item(tmp_path / "x.pt")
        assert (item.codes.dtype, item.codes.tolist()) == (np.int64, CODES)
        assert (item.speaker.dtype, item.speaker.shape) == (np.float32, (4,))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"code": torch.tensor(CODES)}, "keys code, spkr; found the keys code"),
        ([1, 2], "found list"),
        ({"code": torch.ones(3), "spkr": torch.ones(4)}, "whole numbers"),
        ({"code": torch.ones(2, 3, dtype=torch.int64), "spkr": torch.ones(4)}, r"found int64 of shape \[2, 3\]"),
        ({"code": "5 5 7", "spkr": torch.ones(4)}, "'code' must be a tensor; found str"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: object, complaint: str) -> None:
    path = tmp_path / "x.pt"
    torch.save(content, path)
    refused(InputError, f"x.pt: .*{complaint}", read_unit_item, path)


class Villain:
    """Makes a folder when unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.folder,)


def test_nothing_in_the_file_is_run_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"code": Villain(trace), "spkr": torch.ones(4), "generator": Villain(trace)}, tmp_path / "x.pt")
    for read in (read_unit_item, read_generator):
        refused(InputError, "cannot be read", read, tmp_path / "x.pt")
    assert not trace.exists()
    for content in (b"", b"not a torch file", b"PK\x03\x04 cut short"):
        (tmp_path / "x.pt").write_bytes(content)
        refused(InputError, r"x\.pt", read_unit_item, tmp_path / "x.pt")


def test_a_generator_is_a_state_dict(tmp_path: Path) -> None:
    torch.save({"generator": {"a": torch.ones(2)}}, tmp_path / "g_00000001")
    assert read_generator(tmp_path / "g_00000001")["a"].tolist() == [1, 1]
    torch.save({"mpd": {}}, tmp_path / "do_00000001")
    refused(InputError, "found the keys mpd", read_generator, tmp_path / "do_00000001")
    torch.save({"generator": 3}, tmp_path / "g_00000002")
    refused(InputError, "no state dict", read_generator, tmp_path / "g_00000002")


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
    items = TrainingSegments(read_utterances(config.train, config.units, config, config.root), config, seed=3)
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
    utterances = read_utterances(config.train, config.units, config, config.root)
    items = TrainingSegments(utterances, config, seed=3)
    assert len(items) == 3
    segments = [items.load((0, index)) for index in range(3)]
    assert {len(segment.frames) for segment in segments} == {28}
    start = int(segments[0].frames[0])
    assert segments[0].frames.tolist() == [(start + step) % 10 for step in range(28)]
    assert len({int(segment.frames[0]) for segment in segments}) > 1
    assert HeldOut(utterances, config).load((0, 0)).frames.tolist() == list(range(10)) * 4
    assert len(HeldOut(utterances, replace(config, valid_units_at_most=4)).load((7, 0)).samples) == 4 * 320


def test_sound_and_units_must_last_equally_long(tmp_path: Path) -> None:
    config = ramp_corpus(tmp_path, 100)
    (utterance,) = read_utterances(config.train, config.units, config, config.root)
    write_speech(tmp_path / "ramp.wav", np.linspace(0, 0.5, 320 * 80))
    frames, samples = read_aligned(utterance, config)
    assert (len(frames), len(samples)) == (80, 25_600)
    write_speech(tmp_path / "ramp.wav", np.linspace(0, 0.5, 320 * 70))
    refused(InputError, r"expected 2.00 s; found 1.40 s", read_aligned, utterance, config)
    write_speech(tmp_path / "ramp.wav", np.zeros(32_000))
    refused(InputError, "no sound", read_aligned, utterance, config)


def test_what_is_kept_in_memory_is_the_same(songs: TonesCorpus, tmp_path: Path) -> None:
    config = settings(songs, tmp_path).data
    utterances = [replace(one, voice=np.ones(1)) for one in read_utterances(config.train, config.units, config, config.root)]
    plain, kept = (TrainingSegments(utterances, replace(config, preload=preload), seed=1) for preload in (False, True))
    for index in range(4):
        np.testing.assert_array_equal(plain.load((2, index)).samples, kept.load((2, index)).samples)
    damaged = replace(utterances[0], id="damaged", audio=tmp_path / "none.wav")
    refused(NetflipsError, r"none\.wav", TrainingSegments([damaged], replace(config, preload=True), seed=1).load, (0, 0))


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
