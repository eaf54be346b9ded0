"""Commands without checkpoint flags, and the warning outside of what the models know.

The table of a mouth in a bundle: it travels along, is checked, and makes the mesh the mouth that is taken.
"""

import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from av2unit import inference as av2unit_inference
from av2unit.known_sentences import KNOWN_KEY as KNOWN
from av2unit.known_sentences import KnownSentences
from av2unit.modality_selection import BOTH, SelectedUnits
from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import VARIABLE, Bundle
from avcore.checkpoints.checkpoint import read_checkpoint, rewrite_config, write_checkpoint
from avcore.checkpoints.stages import Stage
from avcore.contracts import Extraction, SpeakerVoice
from avcore.domain import KEY, Domain
from avcore.errors import CheckpointError, InputError, NotUnderstoodError, VocabularyError
from avcore.media import probe, write_speech
from avcore.notes import json_text, sentence
from avcore.speech.pitch import Pitch
from avcore.units import Units
from netflips.bundles.describe import check_bundle, note, total_bytes, write_about
from netflips.bundles.pack import pack_bundle
from netflips.commands import dub as dub_command
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.model_paths import ModelPaths, RunOptions, bundle_paths
from netflips.models import load_models
from netflips.quality_estimation import estimate_utterance
from netflips.script.files import script_from, script_json
from tests.netflips.bundles.conftest import ABOUT
from tests.netflips.conftest import config
from tests.netflips.dubbing.made import write_times
from tests.refusal import refused
from tests.unit2av.mouth_samples import fixed_table
from unit2av import inference_unit2a
from unit2av.lipsync.backend import TABLE_FILE, LipSyncChoice, resolve_backend
from unit2av.stage import RENDERER
from unit2av.voice.named import read_named_voices, write_named_voices
from unit2unit import inference as unit2unit_inference
from unit2unit.stage import TRANSLATOR

LANGUAGES = ["--src-lang", "en", "--tgt-lang", "ko"]
SHORT = ["--beam", "2", "--max-target-units", "20"]


def bounded(packed: Bundle, folder: Path, least: dict[Stage, float]) -> Bundle:
    """A copy of a bundle whose models say at or above which score they know what they hear."""
    shutil.copytree(packed.folder, folder)
    for kind, bound in least.items():
        source = read_checkpoint(folder / packed.checkpoint(kind).name, kind)
        config = {**source.config, KEY: Domain("a test sentence", bound, 0.01, 50).to_config()}
        write_checkpoint(source.path, kind, config, source.tensors)
    return Bundle(folder, packed.about)


@pytest.fixture
def _stops(monkeypatch: pytest.MonkeyPatch, dubs_go_on: Callable[..., None]) -> None:
    """As outside of tests."""
    monkeypatch.setattr(DubOptions, "require_understood", dubs_go_on)


@pytest.mark.usefixtures("default_bundle")
def test_dubbing_without_flags_takes_the_bundle(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, report = tmp_path / "x.mp4", tmp_path / "report.json"
    files = ["--in-vid-path", str(clip), "--out-vid-path", str(out), "--report", str(report)]
    assert dub_command.main([*files, *LANGUAGES, "--modalities", "audio", "--cpu", *SHORT]) == 0
    error = capsys.readouterr().err
    assert error.count("models: the demo bundle, which knows only") == 1
    assert "a few sentences that nobody trained it on" in error
    assert "hardly" not in error  # it names no bounds
    script = script_from(json.loads(report.read_text()))
    assert script.processed[0].note("outside") is None
    assert script.processed[0].source_units.confidence < 0
    assert probe(out).has_video


@pytest.mark.usefixtures("default_bundle")
def test_a_video_alone_is_dubbed_beside_itself(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "talk.mp4"
    shutil.copy(clip, video)
    for _ in range(2):  # what NetfLips made is made anew
        assert dub_command.main([str(video), "--modalities", "audio", "--cpu", *SHORT, "--quiet"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["talk.mp4", "talk_ko.mp4"]
    assert "en->ko" in probe(tmp_path / "talk_ko.mp4").comment
    shutil.copy(clip, tmp_path / "other.mp4")
    every = [str(tmp_path / name) for name in ("other.mp4", "talk.mp4", "talk_ko.mp4")]  # as *.mp4 names them
    assert dub_command.main([*every, "--modalities", "audio", "--cpu", *SHORT]) == 0
    assert "left out, as they are dubs of the others: talk_ko.mp4" in capsys.readouterr().err
    assert not (tmp_path / "talk_ko_ko.mp4").exists()
    (tmp_path / "out").mkdir()
    assert dub_command.main([str(tmp_path), "--modalities", "audio", "--cpu", *SHORT, "--quiet"]) == 0
    assert not (tmp_path / "talk_ko_ko.mp4").exists()  # the dub of an earlier run is none of the folder's videos


@pytest.mark.usefixtures("default_bundle")
def test_the_stages_one_by_one_take_it_too(speech: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav, english, korean, said = (str(tmp_path / name) for name in ("en.wav", "en.txt", "ko.txt", "ko.wav"))
    write_speech(wav, speech)
    assert av2unit_inference.main(["--in-vid-path", wav, "--out-unit-path", english, "--modalities", "audio", "--cpu"]) == 0
    search = [*SHORT, "--cpu"]
    assert unit2unit_inference.main(["--in-unit-path", english, "--out-unit-path", korean, *LANGUAGES, *search]) == 0
    voice = str(tmp_path / "voice.npy")
    np.save(voice, np.ones(256, dtype=np.float32) / 16)
    assert inference_unit2a.main(["--in-unit-path", korean, "--voice", voice, "--out", said, "--cpu"]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("models: the demo bundle")]
    assert [", which knows only" in line for line in told] == [True, True, False]  # whoever only speaks need not understand
    assert probe(said).duration_s > 0


@pytest.mark.usefixtures("_stops")
def test_speech_outside_is_told_in_one_warning_and_in_the_report(packed: Bundle, clip: Path, tmp_path: Path) -> None:
    bundle = bounded(packed, tmp_path / "strict", {UNIT_ENCODER: 1.0, TRANSLATOR: 1.0})
    models = load_models(bundle_paths(bundle), "en", "ko", RunOptions(device="cpu"))
    asked = DubOptions(modalities="audio", beam=2, max_target_units=20)
    refused(NotUnderstoodError, "decide=lambda quality: None goes on", dub, clip, tmp_path / "x.mp4", models, asked)
    assert list(tmp_path.glob("x.*")) == []
    report = dub(clip, tmp_path / "x.mp4", models, asked, decide=lambda quality: None)
    (warning,) = [text for text in report.warnings if "hardly" in text]
    assert "a test sentence" in warning
    assert "netflips models get korean-free" in warning
    assert report.processed[0].note("outside") is not None
    assert report.quality.words == "not_understood"
    assert script_from(json.loads(json_text(script_json(report)))) == report
    times = write_times(tmp_path / "times.json", (0.2, 1.8))
    options = DubOptions(modalities="audio", beam=2, max_target_units=20, script_in=times)
    source_timed = dub(clip, tmp_path / "y.mp4", models, options, decide=lambda quality: None)
    (warning,) = [text for text in source_timed.warnings if "hardly" in text]
    assert warning.startswith("utterance 1: ")
    assert source_timed.processed[0].note("outside") is not None
    assert source_timed.quality == source_timed.processed[0].quality
    assert script_from(json.loads(json_text(script_json(source_timed)))) == source_timed


@pytest.mark.usefixtures("_stops")
@pytest.mark.parametrize(
    ("flags", "answer", "code", "told"),
    [
        (["--strict"], "", 3, "error: {0}: not all of it is surely understood; found 1 of 1 not understood"),
        (config(ask=True), "y\n", 0, "go on all the same? [y/N] "),
        (config(ask=True), "\n", 3, "error: {0}: it is not understood, and nothing is written"),
        (["--yes"], "", 0, "lips by"),
        ([], "", 3, "error: {0}: it is not understood, and nothing is written\n  --yes goes on all the same\n  --draft talk.json "),
        ([], "", 3, "\n  --cascade dubs any English speech, once its models are here: netflips models get korean-free\n"),
        (["--draft", "{2}"], "", 0, "written: {2}"),
        (["--strict", "--script-in", "{1}"], "", 3, "error: {0}: not all of it is surely understood"),
    ],
)
def test_what_is_hardly_understood_is_told_before_anything_is_drawn(
    flags: list[str], answer: str, code: int, told: str, packed: Bundle, clip: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv(VARIABLE, str(bounded(packed, tmp_path / "strict", {UNIT_ENCODER: 1.0}).folder))
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    times, out, verdict, draft = (tmp_path / name for name in ("times.json", "x.mp4", "verdict.json", "draft.json"))
    write_times(times, (0.2, 1.8))
    command = [str(clip), "--out-vid-path", str(out), "--verdict", str(verdict), "--modalities", "audio", "--cpu", *SHORT]
    assert dub_command.main([*command, *(one.format("", times, draft) for one in flags)]) == code
    error = capsys.readouterr().err
    assert told.format(clip, times, draft) in error
    found = json.loads(verdict.read_text())
    assert found["words"] == "not_understood"
    assert "outside" in found["causes"]
    assert f"{clip}: warning: {found['text']['en']}" in error
    is_written = code == 0 and "--draft" not in flags
    assert (out.is_file(), draft.is_file()) == (is_written, "--draft" in flags)
    if is_written:
        assert "lips by" in error.split(found["text"]["en"])[1]  # it was told before


def test_speech_inside_is_not_warned_of(packed: Bundle, clip: Path, tmp_path: Path) -> None:
    bundle = bounded(packed, tmp_path / "lenient", {TRANSLATOR: -1e6})
    models = load_models(bundle_paths(bundle), "en", "ko", RunOptions(device="cpu"))
    report = dub(clip, tmp_path / "x.mp4", models, DubOptions(modalities="audio", beam=2, max_target_units=20))
    assert [text for text in report.warnings if "hardly" in text] == []
    assert report.processed[0].note("outside") is None
    heard = SelectedUnits(Extraction(Units(np.array([1])), -0.1), BOTH)
    judged, (notice,) = estimate_utterance(models, heard, heard.extraction.units, -2e6)
    assert judged.causes == ("outside",)
    assert "--modalities audio" in sentence(notice)
    compared = replace(heard, agreement=0.9, usual=0.9)  # lips that are known to belong are not to blame
    _, (notice,) = estimate_utterance(models, compared, heard.extraction.units, -2e6)
    assert "--modalities audio" not in sentence(notice)


def test_an_odd_word_is_told_with_its_time_and_kept(packed: Bundle, clip: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(packed.folder, tmp_path / "strict"))
    source = read_checkpoint(folder / packed.checkpoint(UNIT_ENCODER).name, UNIT_ENCODER)
    units = [int(symbol) for symbol in source.config["dictionaries"][0] if symbol.isdecimal()]
    known = KnownSentences.of([np.array(units[1:3])], silence=units[0])
    domain = Domain("a test sentence", -1e6, 0.01, 50, weakest=-1e6, nearest=0.0)
    rewrite_config(source, {**source.config, KEY: domain.to_config(), KNOWN: known.to_config()})
    models = load_models(bundle_paths(Bundle(folder, packed.about)), "en", "ko", RunOptions(device="cpu"))
    report = dub(clip, tmp_path / "x.mp4", models, DubOptions(modalities="audio", beam=2, max_target_units=20))
    (warning,) = [text for text in report.warnings if "hardly" in text]
    assert re.match(r"at \d\.\d to \d\.\d s this is hardly a test sentence", warning)
    assert "its likeness to the nearest known sentence" in warning
    assert "its confidence" not in warning
    times = write_times(tmp_path / "times.json", (0.2, 1.8))
    options = DubOptions(modalities="audio", beam=2, max_target_units=20, script_in=times, work_dir=tmp_path / "work")
    reports = [dub(clip, tmp_path / "y.mp4", models, options) for _ in range(2)]
    told = [[text for text in one.warnings if "hardly" in text] for one in reports]
    assert told[0] == told[1]
    assert told[0][0].startswith("utterance 1: at ")
    assert reports[1].result.work_counts["units"] == {"kept": 1, "made": 0}


def test_stages_warn_by_their_score(packed: Bundle, speech: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = bounded(packed, tmp_path / "strict", {UNIT_ENCODER: 1.0, TRANSLATOR: 1.0})
    wav, english, korean = (str(tmp_path / name) for name in ("en.wav", "en.txt", "ko.txt"))
    write_speech(wav, speech)
    encoder, translator = (str(bundle.checkpoint(kind)) for kind in (UNIT_ENCODER, TRANSLATOR))
    arguments = ["--in-vid-path", wav, "--out-unit-path", english, "--modalities", "audio", "--av2unit-path", encoder, "--cpu"]
    assert av2unit_inference.main(arguments) == 0
    assert "warning: this is hardly a test sentence" in capsys.readouterr().err
    arguments = ["--in-unit-path", english, "--out-unit-path", korean, "--utut-path", translator, "--beam", "2", "--cpu"]
    assert unit2unit_inference.main([*arguments, *LANGUAGES, "--max-target-units", "20"]) == 0
    assert "the translation's score" in capsys.readouterr().err


def table(path: Path, vocabulary: str) -> Path:
    fixed_table(np.zeros((1000, 3)), vocabulary=vocabulary).save(path)
    return path


def test_named_voices_travel_in_a_bundle(paths: ModelPaths, references: Path, tmp_path: Path) -> None:
    models, voice = (paths.av2unit, paths.utut, paths.unit2av), SpeakerVoice(np.ones(256, np.float32), Pitch(5.0, 0.2))
    write_named_voices(tmp_path / "voices.npz", {"man": voice})
    bundle = pack_bundle(*models, references, ABOUT, tmp_path / "bundle", voices=tmp_path / "voices.npz")
    assert "voices.npz" in check_bundle(bundle.folder).about["files"]
    again = write_about(bundle.folder, bundle.about)  # as where the file was made anew
    assert again.about["files"] == bundle.about["files"]
    assert list(read_named_voices(bundle.folder / "voices.npz")) == ["man"]


def test_a_table_travels_in_a_bundle_and_is_checked(packed: Bundle, paths: ModelPaths, references: Path, tmp_path: Path) -> None:
    models = paths.av2unit, paths.utut, paths.unit2av
    assert resolve_backend(LipSyncChoice(), packed.checkpoint(RENDERER)).name == "units"
    good = table(tmp_path / "mouth.npz", str(packed.about["vocabulary"]))
    bundle = pack_bundle(*models, references, ABOUT, tmp_path / "bundle", mouth_table=good)
    assert TABLE_FILE in bundle.about["files"]
    assert total_bytes(check_bundle(bundle.folder)) > total_bytes(packed)
    assert TABLE_FILE in note(bundle.folder, metrics={}).about["files"]
    renderer = bundle.checkpoint(RENDERER)
    assert resolve_backend(LipSyncChoice(), renderer).name == "mesh"
    assert resolve_backend(LipSyncChoice(is_hard=True), renderer).name == "units"  # the published paste is one of patches
    assert resolve_backend(LipSyncChoice("units"), renderer).name == "units"
    table(bundle.folder / TABLE_FILE, "sha256:0000000000000003")
    refused(CheckpointError, r"other content in mouth\.npz", check_bundle, bundle.folder)
    (bundle.folder / TABLE_FILE).unlink()
    refused(InputError, r"mouth\.npz", check_bundle, bundle.folder)
    with pytest.raises(VocabularyError):
        other = table(tmp_path / "other.npz", "sha256:0000000000000003")
        pack_bundle(*models, references, ABOUT, tmp_path / "again", mouth_table=other)
