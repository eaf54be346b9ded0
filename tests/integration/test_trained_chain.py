"""All three stages, trained by their own entry points at debug size, dub a clip through the front door."""

import json
from pathlib import Path

import numpy as np
import pytest

from av2unit import train as unit_encoder
from av2unit.inference import UnitExtractor
from avcore.data.manifest import read_manifest
from avcore.data.unit_store import UnitRow, iter_units, write_units
from avcore.faces.boxes import write_boxes
from avcore.journal import write_rows
from avcore.media import FrameSource, VideoWriter, probe, read_gray_video, read_speech, write_lip_video
from avcore.units import Units
from netflips.commands import dub as dub_command
from netflips.script.files import script_from
from recipes.made.drawn_lips import draw_corpus
from tests.av2unit.made_clips import NUM_UNITS, VOCABULARY, make_clip, share_in_order, write_corpus
from tests.netflips.conftest import config
from unit2av import train_unit2a, train_unit2v
from unit2unit.utut_finetune import finetune, prepare_pairs

SPEAKER = np.full(16, 0.25, dtype=np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder, count=40)
    return folder


@pytest.fixture(scope="module")
def encoder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A unit encoder trained on the corpus, exported."""
    folder = tmp_path_factory.mktemp("encoder")
    data = [f"data.train={corpus}/train.jsonl", f"data.train_labels=[{corpus}/train.units.jsonl]"]
    data += [f"data.valid={corpus}/valid.jsonl", f"data.valid_labels=[{corpus}/valid.units.jsonl]"]
    settings = [f"run_dir={folder}/encoder", "masking.mask_prob_audio=0", "masking.mask_prob_image=0", "loop.max_steps=60"]
    settings += ["loop.device=cpu"]
    assert unit_encoder.main(["--config-name", "av2unit/train_debug", *data, *settings]) == 0
    assert unit_encoder.main(["export", "--run-dir", f"{folder}/encoder", "--out-path", f"{folder}/encoder.safetensors"]) == 0
    return folder / "encoder.safetensors"


def train_translator(folder: Path) -> Path:
    """A little of learning to count every unit one on; that a translator learns is shown by tests of its own."""
    rng = np.random.default_rng(5)
    sources = [make_clip(f"pair{number:03d}", int(rng.integers(12, 20)), rng, side=8).units for number in range(60)]
    for language, shift in (("en", 0), ("ko", 1)):
        rows = (
            UnitRow(f"pair{number:03d}", Units.from_frames((units + shift) % NUM_UNITS, language, VOCABULARY), {})
            for number, units in enumerate(sources)
        )
        write_units(folder / f"{language}.jsonl", rows)
    given = ["--source", f"{folder}/en.jsonl", "--target", f"{folder}/ko.jsonl", "--num-units", str(NUM_UNITS)]
    assert prepare_pairs.main([*given, "--out", f"{folder}/pairs"]) == 0
    settings = ["--config-name", "unit2unit/finetune_debug", f"data_dir={folder}/pairs", f"run_dir={folder}/translator"]
    settings += ["fairseq.optimizer.max_update=20", "fairseq.dataset.num_workers=0"]
    assert finetune.main(settings) == 0
    return folder / "translator" / "checkpoints" / "checkpoint_best.pt"


def train_renderer(corpus: Path, folder: Path) -> Path:
    units = [
        UnitRow(row.id, row.units, {"speaker_embedding": SPEAKER.tolist()}) for row in iter_units(corpus / "train.units.jsonl")
    ]
    write_units(corpus / "voiced.jsonl", units)
    settings = [f"data.train={corpus}/train.jsonl", f"data.units={corpus}/voiced.jsonl", f"run_dir={folder}/voice"]
    assert (
        train_unit2a.main(["--config-name", "unit2av/unit2a_debug", *settings, f"model.num_units={NUM_UNITS}", "loop.max_steps=10"])
        == 0
    )
    best = f"{folder}/voice/checkpoints/best.pt"
    assert train_unit2a.main(["export", "--checkpoint", best, "--out-path", f"{folder}/voice.safetensors", "--language", "ko"]) == 0
    drawn = draw_corpus(folder / "drawn", clips=12)
    plain = [row.to_row() | {"vocabulary": VOCABULARY} for row in iter_units(drawn.units)]
    write_rows(drawn.units, plain)  # the mouths are another corpus's; only the chain is looked at here
    settings = [f"data.train={drawn.manifest}", f"data.units={drawn.units}", f"run_dir={folder}/lips", "loop.max_steps=10"]
    assert train_unit2v.main(["--config-name", "unit2av/unit2v_debug", *settings]) == 0
    export = ["export", "--checkpoint", f"{folder}/lips/checkpoints/best.pt", "--into", f"{folder}/voice.safetensors"]
    assert train_unit2v.main([*export, "--out-path", f"{folder}/renderer.safetensors"]) == 0
    return folder / "renderer.safetensors"


def test_what_the_entry_points_train_dubs_a_clip(corpus: Path, encoder: Path, tmp_path: Path) -> None:
    translator = train_translator(tmp_path)
    renderer = train_renderer(corpus, tmp_path)
    clip = make_clip("talk", 30, np.random.default_rng(99))
    drawn = read_manifest(tmp_path / "drawn" / "manifest.jsonl")
    source = FrameSource(drawn.root / drawn.entries[0].video)
    with VideoWriter(tmp_path / "talk.mp4", source.info.width, source.info.height, 25, 16000) as writer:
        writer.write_sound(clip.speech)
        for frame in source.frames(0, 30):
            writer.write_rgb(frame.rgb)
    write_lip_video(tmp_path / "talk.lip.mp4", clip.lips)
    write_boxes(tmp_path / "talk.bbox.pkl", [np.array([30, 30, 110, 115], dtype=np.float32)] * 30)
    np.save(tmp_path / "voice.npy", SPEAKER)
    paths = ["--av2unit-path", str(encoder), "--utut-path", str(translator), "--unit2av-path", str(renderer)]
    side_files = ["--in-lip-path", f"{tmp_path}/talk.lip.mp4", "--in-bbox-path", f"{tmp_path}/talk.bbox.pkl"]
    given = ["--in-vid-path", f"{tmp_path}/talk.mp4", "--out-vid-path", f"{tmp_path}/talk_ko.mp4"]
    given += ["--src-lang", "en", "--tgt-lang", "ko", "--max-target-units", "60", "--cpu", "--yes"]
    more = ["--voice", f"{tmp_path}/voice.npy", "--timing", "free", "--report", f"{tmp_path}/report.json"]
    more += config(hard_paste=True)  # of a mouth as wide and dark as that of this drawing, something might be before it
    assert dub_command.main([*given, *paths, *side_files, *more]) == 0
    report = script_from(json.loads((tmp_path / "report.json").read_text()))
    assert report.num_target_units > 0
    assert report.num_drawn == report.result.frames == probe(tmp_path / "talk_ko.mp4").num_frames
    assert np.abs(read_speech(tmp_path / "talk_ko.mp4")).max() > 0.01


def test_the_trained_encoder_reads_its_units_from_a_clip_it_never_saw(corpus: Path, encoder: Path) -> None:
    """Even and odd units in their order."""
    extractor = UnitExtractor.from_checkpoint(encoder)
    manifest = read_manifest(corpus / "valid.jsonl")
    truth = {row.id: row.units for row in iter_units(corpus / "valid.units.jsonl")}
    pairs = list[tuple[np.ndarray, np.ndarray]]()
    for entry in manifest.entries:
        lips = read_gray_video(manifest.root / entry.lips) if entry.lips.endswith(".mp4") else None
        found = extractor.extract(read_speech(manifest.root / entry.audio), lips)
        assert found.vocabulary == VOCABULARY
        pairs.append((found.frames(), truth[entry.id].frames()))
    found_units, wanted = (np.concatenate(side) for side in zip(*pairs, strict=True))
    assert (found_units == wanted).mean() > 0.6
    assert share_in_order(found_units, wanted) > 0.8
