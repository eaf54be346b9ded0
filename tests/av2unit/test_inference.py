"""Units of files by the command; classes by argmax and Viterbi, and how unlike known speech they are; features."""

import json
from itertools import pairwise, product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from av2unit import inference, sources
from av2unit.extractor import ARGMAX, VITERBI, Decoding, Scores, decode, log_probabilities, viterbi
from av2unit.features import HOP, NUM_MELS, WINDOW, audio_features, check_speech, log_filterbank, stack_rows, to_int16_scale
from av2unit.known_sentences import KNOWN_KEY as KEY
from av2unit.known_sentences import KnownSentences
from av2unit.lips import lip_features
from avcore.domain import weakest_stretch
from avcore.errors import CheckpointError, InputError, NoSpeechError, UsageError
from avcore.media import read_gray_video, write_lip_video
from tests.refusal import refused

BOTH = frozenset({"audio", "video"})


@pytest.fixture
def unit_strings(parity_dir: Path) -> dict[str, str]:
    strings: dict[str, str] = json.loads((parity_dir / "manifest.json").read_text())["unit_strings"]
    return strings


def run(parity_dir: Path, source: Path, out: Path, *more: str) -> int:
    fixed = ["--in-vid-path", str(source), "--out-unit-path", str(out), "--av2unit-path", str(parity_dir / "mavhubert.pt")]
    return inference.main([*fixed, "--cpu", "--quiet", *more])


def test_files_give_the_references_units_and_lips_theirs(
    parity_dir: Path, unit_strings: dict[str, str], tmp_path: Path, extractor: inference.UnitExtractor
) -> None:
    out = tmp_path / "new folder" / "clip.units"
    assert run(parity_dir, parity_dir / "clip.wav", out, "--in-lip-path", str(parity_dir / "clip_long.lip.mp4")) == 0
    assert out.read_text() == unit_strings["av_padded"]
    assert run(parity_dir, parity_dir / "clip.wav", out, "--modalities", "audio") == 0
    assert out.read_text() == unit_strings["audio"]
    lip_path = parity_dir / "clip_long.lip.mp4"
    assert run(parity_dir, lip_path, tmp_path / "u", "--modalities", "video", "--in-lip-path", str(lip_path)) == 0
    units = extractor.extract(lips=read_gray_video(lip_path))
    assert (tmp_path / "u").read_text() == " ".join(map(str, units.frames()))


def test_flac_of_another_rate_is_read(parity_dir: Path, tmp_path: Path) -> None:
    sound, rate = soundfile.read(parity_dir / "clip.wav", dtype="float32")
    soundfile.write(tmp_path / "a name.flac", np.repeat(sound, 3).reshape(-1, 1) * [1, 0.5], 3 * rate)
    assert run(parity_dir, tmp_path / "a name.flac", tmp_path / "u", "--modalities", "audio") == 0
    assert len((tmp_path / "u").read_text().split()) == 100


def test_lips_are_found_in_the_video_and_no_file_unasked(parity_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = tmp_path / "clip.mp4"
    video.write_bytes((parity_dir / "clip_long.lip.mp4").read_bytes())
    (tmp_path / "clip.lip.mp4").write_bytes(b"not to be read")
    crops = np.full((53, 96, 96), 90, dtype=np.uint8)
    asked: list[tuple[int, object, object]] = []

    def find(
        frames: object, face: object, speech: object, progress: object, total: int, source: object, *_: object
    ) -> SimpleNamespace:
        asked.append((len(list(frames)), face, source))
        return SimpleNamespace(lips=crops)

    monkeypatch.setattr(sources, "find_faces", find)
    speech, lips = sources.read_utterance(video, frozenset({"video"}), face=2)
    assert speech is None
    assert lips is crops
    assert asked == [(53, 2, video)]


def test_sound_and_lips_of_different_length_are_said(parity_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_lip_video(tmp_path / "short.mp4", read_gray_video(parity_dir / "clip_long.lip.mp4")[:20])
    speech, lips = sources.read_utterance(parity_dir / "clip.wav", BOTH, tmp_path / "short.mp4")
    assert speech is not None
    assert lips is not None
    assert (len(speech), len(lips)) == (32123, 20)
    assert "2.01 s of sound and 0.80 s of lips: the sound is cut to fit" in caplog.text


def test_modalities() -> None:
    for text, modalities in (("audio,video", BOTH), ("video, audio", BOTH), ("audio", {"audio"}), ("video", {"video"})):
        assert sources.parse_modalities(text) == modalities
    for text in ("", "text", "audio,", "audio,audio", "audio video"):
        refused(UsageError, "audio,video or audio or video", sources.parse_modalities, text)


def test_a_whole_frame_is_no_lip_video_and_empty_sound_says_so(tmp_path: Path) -> None:
    write_lip_video(tmp_path / "talk.mp4", np.zeros((3, 240, 320), dtype=np.uint8))
    refused(InputError, "320 x 240", sources.read_lip_video, tmp_path / "talk.mp4")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16_000)
    refused(NoSpeechError, "--modalities video", sources.read_utterance, tmp_path / "empty.wav", frozenset({"audio"}))


@pytest.mark.parametrize(
    ("source", "more", "says"),
    [
        ("clip.wav", [], "--modalities audio"),
        ("clip_long.lip.mp4", ["--modalities", "audio"], "--modalities video"),
        ("clip.wav", ["--modalities", "sound"], "audio,video"),
        ("clip.wav", ["--modalities", "audio", "--face", "left"], "--face"),
        ("none.mp4", [], "not there"),
        ("text.mp4", [], "found a text file"),
        ("clip.wav", ["--modalities", "audio", "--av2unit-path", "{parity}/utut.pt"], "unit translator"),
        ("clip.wav", ["--in-lip-path", "{parity}/none.mp4"], "not there"),
        ("clip.wav", ["--modalities", "audio", "--precision", "float16"], "bfloat16"),
        ("clip.wav", ["--modalities", "audio", "--out-unit-path", "{parity}/clip.wav"], "overwrite"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    parity_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, more: list[str], says: str
) -> None:
    before = (parity_dir / "clip.wav").stat()
    options = [option.replace("{parity}", str(parity_dir)) for option in more]
    text = tmp_path / "text.mp4"
    text.write_text("<html>not a video</html>" * 50)
    assert run(parity_dir, text if source == text.name else parity_dir / source, tmp_path / "units", *options) == 2
    text.unlink()
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert (parity_dir / "clip.wav").stat() == before


def log_probs(num_steps: int, num_classes: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 2, (num_steps, num_classes))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


@pytest.mark.parametrize("penalty", [0, 0.3, 1, 3, 100])
@pytest.mark.parametrize("seed", range(5))
def test_viterbi_finds_the_best_of_all_paths(penalty: float, seed: int) -> None:
    scores = log_probs(6, 4, seed)

    def worth(path: tuple[int, ...]) -> float:
        return float(scores[np.arange(6), path].sum()) - penalty * sum(a != b for a, b in pairwise(path))

    best = max(product(range(4), repeat=6), key=worth)
    assert tuple(viterbi(scores, penalty)) == best


@pytest.mark.parametrize("method", [ARGMAX, VITERBI])
def test_a_class_of_minus_infinity_is_never_chosen(method: str) -> None:
    logits = np.random.default_rng(0).normal(0, 1, (50, 6)).astype(np.float32)
    logits[:, 2] = 50
    logits[:, [0, 2]] = -np.inf
    chosen = decode(logits, Decoding(method, 0.5))
    assert set(chosen) <= {1, 3, 4, 5}
    assert chosen.dtype == np.int64


def test_viterbi_takes_logits_log_probabilities_and_no_steps() -> None:
    scores = log_probs(100, 8, 3)
    shifted = scores + np.random.default_rng(0).normal(0, 30, (100, 1)).astype(np.float32)
    np.testing.assert_array_equal(decode(shifted, Decoding(VITERBI, 1.0)), viterbi(scores, 1.0))
    assert len(viterbi(np.zeros((0, 4), dtype=np.float32), 1)) == 0


def test_the_setting_is_read_from_a_configuration_or_refused() -> None:
    assert Decoding.from_config(None) == Decoding(ARGMAX, 0)
    assert Decoding.from_config({"method": "viterbi", "duration_penalty": 2}) == Decoding(VITERBI, 2.0)
    penalties = [{"duration_penalty": penalty} for penalty in (-1, "1", float("nan"))]
    for stored in ({"method": "beam"}, *penalties):
        refused(CheckpointError, "expected", Decoding.from_config, stored)


SILENCE, NUM_UNITS = 9, 10
UNITS = np.array([-1, -1, *range(NUM_UNITS)])
"""Two classes stand for no unit."""
KNOWN = KnownSentences.of([np.array(ids) for ids in ([9, 1, 2, 3, 4, 9], [9, 1, 2, 5, 4], [6, 7, 6, 7, 6])], SILENCE)


def said(*ids: int, steps: int = 6, sure: float = 6.0, seed: int = 0) -> Scores:
    """Log-probabilities of an utterance with `steps` steps a unit, the more certain the larger `sure`."""
    frames = np.repeat(np.array(ids, np.int64), steps)
    logits = np.random.default_rng(seed).normal(0, 0.5, (len(frames), len(UNITS))).astype(np.float32)
    logits[:, :2] = -np.inf
    logits[np.arange(len(frames)), frames + 2] += sure
    return log_probabilities(logits)


def log_ratios(*ids: int, sure: float = 6.0) -> NDArray[np.float64]:
    return KNOWN.log_ratios(said(*ids, sure=sure), UNITS)


def test_what_is_known_is_kept_once_and_without_silence() -> None:
    heard = [np.array(ids) for ids in ([9, 1, 1, 9, 1, 2], [1, 2], [9, 9], [2])]
    assert [ids.tolist() for ids in KnownSentences.of(heard, SILENCE).sentences] == [[1, 2], [2]]
    refused(InputError, "no sentences", KnownSentences.of, [np.array([9, 9])], SILENCE)


def test_a_known_sentence_loses_nothing() -> None:
    """Plain, with pauses, another, its words again, and slurred."""
    for ids in ((1, 2, 3, 4), (9, 1, 2, 9, 3, 4, 9), (1, 2, 5, 4), (6, 7, 6, 7, 6), (1, 2, 4)):
        assert log_ratios(*ids) == pytest.approx(0, abs=1e-6)


def test_one_odd_word_is_found_where_it_is_said() -> None:
    odd = log_ratios(1, 2, 8, 0, 4)
    assert np.flatnonzero(odd < -1).tolist() == list(range(12, 24))
    stretch = weakest_stretch(odd, 10)
    assert 12 <= stretch.start < stretch.stop <= 24
    # The mean over a long sentence hides it: an unclear voice has a lower one and is no less like a sentence.
    unclear = said(1, 2, 3, 4, sure=3.0)
    assert unclear.max(axis=1).mean() < said(1, 2, 8, 0, 4).max(axis=1).mean()
    assert KNOWN.log_ratios(unclear, UNITS).mean() > odd.mean() / 4


def test_the_nearest_is_chosen_as_if_all_were_tried() -> None:
    rng = np.random.default_rng(5)
    for seed in range(5):
        steps = said(*rng.integers(0, 9, 5), steps=4, sure=2.0, seed=seed)
        alone = [KnownSentences((ids,), SILENCE).log_ratios(steps, UNITS).sum() for ids in KNOWN.sentences]
        assert KNOWN.log_ratios(steps, UNITS).sum() == pytest.approx(max(alone), abs=1.1)  # what is left out has a price
    assert KNOWN.log_ratios(said(), UNITS).shape == (0,)
    assert KNOWN.log_ratios(said(1, steps=1), UNITS).shape == (1,)
    single = KnownSentences((np.array([3]),), SILENCE)
    assert single.log_ratios(said(3), UNITS) == pytest.approx(0, abs=1e-6)
    assert single.log_ratios(said(3, 4), UNITS)[6:].max() < -1


def test_they_come_back_from_a_configuration_damaged_ones_are_errors() -> None:
    again = KnownSentences.from_config({KEY: KNOWN.to_config()}, Path("x"), UNITS)
    assert [ids.tolist() for ids in again.sentences] == [ids.tolist() for ids in KNOWN.sentences]
    assert again.silence == SILENCE
    assert KnownSentences.from_config({}, Path("x"), UNITS) is None
    units = ([], ["1 x"], ["1 2", ""], ["1 77"])
    silent = [{"units": one, "silence": 9} for one in units]
    for stored in ([], {"units": ["1 2"]}, {"units": ["1 2"], "silence": 77}, *silent):
        refused(CheckpointError, "known sentences", KnownSentences.from_config, {KEY: stored}, Path("x"), UNITS)


def plain_log_filterbank(samples: np.ndarray) -> np.ndarray:
    """The definition, written out: one window and one filter at a time, by a plain Fourier sum."""
    emphasised = np.array([samples[0]] + [samples[n] - 0.97 * samples[n - 1] for n in range(1, len(samples))])
    num_rows = 1 if len(samples) <= WINDOW else 1 + int(np.ceil((len(samples) - WINDOW) / HOP))
    points = [int(np.floor(513 * 700 * (10 ** (m / 2595) - 1) / 16000)) for m in np.linspace(0, 2595 * np.log10(1 + 80 / 7), 28)]
    wave = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(WINDOW)) / 512)
    rows = np.zeros((num_rows, 26))
    for row in range(num_rows):
        window = np.zeros(WINDOW)
        part = emphasised[row * HOP : row * HOP + WINDOW]
        window[: len(part)] = part
        power = np.abs(wave @ window) ** 2 / 512
        for j in range(26):
            energy = 0.0
            for i in range(points[j], points[j + 1]):
                energy += power[i] * (i - points[j]) / (points[j + 1] - points[j])
            for i in range(points[j + 1], points[j + 2]):
                energy += power[i] * (points[j + 2] - i) / (points[j + 2] - points[j + 1])
            rows[row, j] = np.log(energy if energy else np.finfo(float).eps)
    return rows


@pytest.mark.parametrize("num_samples", [1, 399, 400, 401, 560, 561, 2000])
def test_log_filterbank_equals_its_definition(num_samples: int) -> None:
    samples = np.round(np.random.default_rng(num_samples).standard_normal(num_samples) * 3000)
    found = log_filterbank(samples)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain_log_filterbank(samples), atol=1e-5, rtol=1e-6)


def test_log_filterbank_in_blocks_equals_parts_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.round(np.random.default_rng(0).standard_normal(30_000) * 3000)
    whole = log_filterbank(samples)
    monkeypatch.setattr("av2unit.features._ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(log_filterbank(samples), whole)
    np.testing.assert_allclose(log_filterbank(np.zeros(1000)), -36.04365, atol=1e-5)


def test_int16_scale_rounds_and_clips_and_stacking_fills_the_last_row() -> None:
    speech = np.array([0, 0.5, -1, 1, 1.5, -2, 1.6 / 32768, -0.4 / 32768], dtype=np.float32)
    np.testing.assert_array_equal(to_int16_scale(speech), [0, 16384, -32768, 32767, 32767, -32768, 2, 0])
    rows = np.arange(1, 11, dtype=np.float32).reshape(5, 2)
    np.testing.assert_array_equal(stack_rows(rows, 4), [[1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 0, 0, 0, 0, 0, 0]])


def test_audio_is_cut_or_filled_to_the_number_of_frames(speech: np.ndarray) -> None:
    alone = audio_features(speech, 4, True)
    assert alone.shape == (58, 4 * NUM_MELS)
    np.testing.assert_array_equal(audio_features(speech, 4, True, 50), alone[:50])
    longer = audio_features(speech, 4, True, 60)
    np.testing.assert_array_equal(longer[:58], alone)
    np.testing.assert_array_equal(longer[58:], 0)


def test_unusable_speech_and_lips_are_refused() -> None:
    refused(NoSpeechError, "", check_speech, np.zeros(0, dtype=np.float32))
    for speech in (np.zeros(100, np.int16), np.zeros((2, 100), np.float32), np.array([0, np.nan], np.float32)):
        refused(InputError, "", check_speech, speech)
    shapes = [np.zeros(shape, dtype=np.uint8) for shape in ((0, 96, 96), (2, 80, 96), (2, 96, 96, 3))]
    for lips in (*shapes, np.zeros((2, 96, 96), np.float32)):
        refused(InputError, r"uint8 \[time, height, width\]", lip_features, lips, 88, 0.421, 0.165)


@pytest.mark.parametrize(("height", "width"), [(96, 96), (88, 88), (97, 121)])
def test_lips_are_cropped_at_the_centre_and_normalised(height: int, width: int) -> None:
    lips = np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)
    top, left = int(round(height - 88) / 2), int(round(width - 88) / 2)
    truth = ((lips.astype(np.float64) / 255)[:, top : top + 88, left : left + 88] - 0.421) / 0.165
    found = lip_features(lips, 88, 0.421, 0.165)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, truth.astype(np.float32))
