"""Whether lips are believed: decided for each utterance by a bundle that can tell, told in the report and in a warning."""

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from av2unit.modality_selection import AGREEMENT_KEY, AgreementThreshold
from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import Bundle
from avcore.checkpoints.checkpoint import read_checkpoint, rewrite_config
from avcore.domain import Domain
from avcore.timeline import SAMPLE_RATE
from netflips.commands import dub as dub_command
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions, Modalities
from netflips.dubbing.preflight import with_modalities
from netflips.model_paths import ModelPaths, RunOptions
from netflips.models import Models, load_models
from netflips.script.types import Script
from tests.netflips.dubbing.made import head_frames, steady_times, write_recording, write_times
from unit2av.stage import RENDERER
from unit2unit.stage import TRANSLATOR

NEVER, ALWAYS = 2.0, -1.0


def models_of(packed: Bundle, folder: Path, least: float, domain: Domain | None = None) -> Models:
    """A copy of a bundle whose encoder takes lips for the sound's own from an agreement of `least` on. domain: what it knows."""
    shutil.copytree(packed.folder, folder)
    source = read_checkpoint(folder / packed.checkpoint(UNIT_ENCODER).name, UNIT_ENCODER)
    known = {} if domain is None else {"domain": domain.to_config()}
    rewrite_config(source, {**source.config, AGREEMENT_KEY: AgreementThreshold(least, 0.85, 0.05, 0, 80).to_config(), **known})
    bundle = Bundle(folder, packed.about)
    paths = ModelPaths(*(bundle.checkpoint(kind) for kind in (UNIT_ENCODER, TRANSLATOR, RENDERER)))
    return load_models(paths, "en", "ko", RunOptions(device="cpu"))


@pytest.fixture
def lips(parity_dir: Path) -> Path:
    return parity_dir / "clip_long.lip.mp4"


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory, speech: np.ndarray[Any, Any]) -> Path:
    times = steady_times(Fraction(25), 2.0)
    path = tmp_path_factory.mktemp("talking") / "talk.mp4"
    return write_recording(path, times, head_frames(times), speech[:, None], SAMPLE_RATE)


def asked(lips: Path, boxes: Path, modalities: Modalities | None = None) -> DubOptions:
    return DubOptions(modalities=modalities, beam=2, max_target_units=20, in_lip_path=lips, in_bbox_path=boxes)


def of_lips(report: Script) -> list[str]:
    return [text for text in report.warnings if "lips" in text]


def test_lips_that_do_not_belong_are_left_out(packed: Bundle, clip: Path, lips: Path, boxes: Path, tmp_path: Path) -> None:
    models = models_of(packed, tmp_path / "bundle", NEVER)
    report = dub(clip, tmp_path / "x.mp4", models, asked(lips, boxes))
    assert (report.setting("modalities"), report.processed[0].source_units.modalities) == ("auto", "audio")
    (warning,) = of_lips(report)
    assert warning.startswith("units are taken from the sound alone: the lips in the frame do not")
    assert report.processed[0].units_why in warning
    told = dub(clip, tmp_path / "y.mp4", models, asked(lips, boxes, "audio"))
    assert (told.num_source_units, told.processed[0].source_units.confidence, of_lips(told)) == (
        report.num_source_units,
        report.processed[0].source_units.confidence,
        [],
    )


def test_lips_that_belong_are_taken(packed: Bundle, clip: Path, lips: Path, boxes: Path, tmp_path: Path) -> None:
    models = models_of(packed, tmp_path / "bundle", ALWAYS)
    report = dub(clip, tmp_path / "x.mp4", models, asked(lips, boxes, "auto"))
    assert report.processed[0].source_units.modalities == "audio,video"
    assert of_lips(report) == []
    both = dub(clip, tmp_path / "y.mp4", models, asked(lips, boxes, "audio,video"))
    assert (both.processed[0].source_units, both.processed[0].units_why) == (
        replace(report.processed[0].source_units, reason="", agreement=None),
        "",
    )


def test_each_utterance_says_what_it_was_taken_from_and_keeps_it(packed: Bundle, talking: Path, tmp_path: Path) -> None:
    models = models_of(packed, tmp_path / "bundle", NEVER)
    times = write_times(tmp_path / "times.json", (0.2, 0.9), (1.0, 1.8))
    options = DubOptions(beam=2, max_target_units=20, script_in=times, work_dir=tmp_path / "work")
    reports = [dub(talking, tmp_path / "x.mp4", models, options) for _ in range(2)]
    for report in reports:
        assert [one.source_units.modalities for one in report.processed] == ["audio", "audio"]
    assert of_lips(reports[0]) == of_lips(reports[1])
    assert of_lips(reports[0])[0].startswith("utterances 1-2: units are taken from the sound alone")
    assert reports[1].result.work_counts["units"] == {"kept": 2, "made": 0}


def test_a_clip_without_a_face_is_dubbed_by_its_sound(packed: Bundle, clip: Path, tmp_path: Path) -> None:
    models = models_of(packed, tmp_path / "bundle", ALWAYS)
    report = dub(clip, tmp_path / "x.mp4", models, DubOptions(beam=2, max_target_units=20))
    assert (report.processed[0].source_units.modalities, report.num_drawn) == ("audio", 0)


@pytest.mark.usefixtures("default_bundle")
def test_an_encoder_that_cannot_tell_is_not_asked(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert with_modalities(DubOptions(), can_compare=False).modalities == "audio,video"
    assert with_modalities(DubOptions(), can_compare=True).modalities == "auto"
    assert with_modalities(DubOptions(modalities="audio"), can_compare=True).modalities == "audio"
    out = tmp_path / "x.mp4"
    assert dub_command.main(["--in-vid-path", str(clip), "--out-vid-path", str(out), "--modalities", "auto", "--cpu"]) == 2
    assert "does not say how far its lips and its sound agree" in capsys.readouterr().err
    assert not out.exists()
