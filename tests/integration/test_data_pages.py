"""Every command of the pages about data and training runs, in their order, on small trees in the layouts of the corpora."""

import os
import sys
import tarfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from shutil import copytree

import pytest

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.data.manifest import read_manifest
from avcore.data.unit_store import read_units
from avcore.media import probe
from recipes.demo.heads.camera import Pose
from recipes.demo.random.random_checkpoints import RENDERER, write_random_checkpoints
from tests.avcore.data.prepare.made import read_rows, sound_bytes, talking_head, write_tar, write_zip
from tests.avcore.data.prepare.trees import (
    LIP_PLAN,
    kox_label,
    lip_label,
    write_aihub_lips,
    write_kaldi_folder,
    write_kosp2e,
    write_kox,
    write_lhotse,
    write_zeroth,
)
from tests.integration.pages import (
    COMMON,
    ROOT,
    Form,
    check_help,
    check_settings,
    keep_model,
    parameters,
    run_in_form,
    write_program,
    write_stand_in,
)
from unit2unit.stage import TRANSLATOR

PAGES = [
    ROOT / "docs" / f"{name}.md"
    for name in ("data", "first_dub", "data_preparation", "training", "training_unit2unit", "training_unit2v", "training_unit2a",
                 "training_lipsync", "training_av2unit", "training_text2unit", "ko/first_dub")
]  # fmt: skip
KOX_NAMES = [f"et_{topic}_005_002_009_{number:04d}" for topic, count in (("a", 4), ("b", 1), ("c", 1)) for number in range(count)]
LIP_NAME = "lip_J_1_F_03_E220_A_001"
TORN = b"RIFF\0\0torn"
"""A recording that nobody can read; each corpus has one."""
FAILED = {
    "zeroth": "106_003_0009.flac", "kox": "TS2/여행/et_a_005_002_009_0009.wav", "kss": "kss_0003.wav",
    "kosp2e": "not there", "librispeech": "not there",
    "zeroth_pairs": "no words", "talks": "dora/talk.mp4", "aihub_lips": "TS6/F/lip_torn.mp4",
}  # fmt: skip
"""What the reason names why one recording of each corpus cannot be prepared."""


FEW_UPDATES = "fairseq.optimizer.max_update=4 fairseq.checkpoint.save_interval_updates=4 fairseq.dataset.num_workers=0"
FEW_STEPS = "loop.max_steps=2 loop.num_workers=0 loop.device=cpu"
SMALL_VOICE = "batch.batch_size=2 data.hold_out=1 --config-name unit2av/unit2a_debug"
SMALL_LIPS = f"data.train=data/talks/manifest.jsonl data.hold_out=1 {FEW_STEPS} batch.batch_size=1 --config-name unit2av"
OF_LIPS = r"--config-name \S+|data\.train=\S+"


TRANSLATE = """
import json, sys
for line in sys.stdin:
    text = json.loads(line)["text"]
    print(json.dumps({"ok": not text.endswith("113_003_0001"), "text": "good morning", "error": "no words"}), flush=True)
"""
"""Stands for a text translator, which has nothing for one sentence of Zeroth."""
HEAR = """
import json, pathlib, sys
for line in sys.stdin:
    asked = json.loads(line)
    text = "good morning" if asked["language"] == "en" else "한국어 문장 " + pathlib.Path(asked["sound"]).stem
    print(json.dumps({"ok": True, "text": text}), flush=True)
"""
"""Stands for a recognizer."""


def check_script(words: list[str]) -> None:
    """That a script which prepares a corpus takes a command's options."""
    name = Path(words[1]).stem.removeprefix("prepare_")
    import_module(f"avcore.data.prepare.{name}").build_parser().parse_args(words[2:])


def check_fairseq(words: list[str]) -> None:
    """That fairseq, with our plug-ins, takes a command's options."""
    from fairseq import options

    given = [str(ROOT / word) if word.startswith("unit2unit/") else word for word in words[3:]]
    asked = options.parse_args_and_arch(options.get_training_parser(), given)
    assert (asked.prepend_bos, asked.left_pad_source) == (True, False), "sentences begin with <s> and are padded at their end"


FORMS = (
    Form(r"--cascade", "models of text; test_other_pages.py runs it", check=check_help),
    *COMMON,
    Form(r"fairseq_cli.train ", "days on a GPU", check=check_fairseq),
    Form(r"utut_finetune.finetune (?!export)", "days on a GPU", more=FEW_UPDATES, fewer=r"fairseq\.\S+"),
    Form(r"prepare_(grid|lrs)\.py", "corpora that are not here; their own tests run them", check=check_script),
    Form(r"manifest from-(tsv|pairs)", "folders of a published form; their own tests read them", check=check_help),
    Form(r"data/grid", "a corpus that is not here", check=check_help),
    Form(r"--exact-seconds 3", "clips of three seconds, of talks that are shorter here", check=check_script),
    Form(
        r"netflips dub videos ",
        "random models never stop by themselves; a bad video is named, and the others go on",
        more="--beam 2 --max-target-units 60 --yes",
        code=1,
    ),
    Form(
        r"prepare_(zeroth|kox|video|aihub_lips)\.py|netflips prepare |"
        r"extract_units\.py (talks|\"talks\S+|videos) (?!.*--dry-run)",
        "a bad recording is named, and the others go on",
        more="",
        code=1,
    ),
    Form(r"prepare_pairs .*--out data/pairs", "several pages make the same folder", more="--overwrite"),
    Form(r"utut_pretrain.pretrain ", "days on eight GPUs", check=check_settings),
    Form(r"python inference_av2av.py", "random models never stop by themselves", more="--beam 2 --max-target-units 60 --cpu"),
    Form(r"netflips (evaluate )?translate ", "random models never stop by themselves", more="--beam 2 --max-target-units 60"),
    Form(r"train_unit2a --config-dir", "days on a GPU", check=check_settings),
    Form(r"train_unit2a data.train=data/zeroth", "days on a GPU", more=f"{FEW_STEPS} {SMALL_VOICE}"),
    Form(r"train_sync ", "days on a GPU", more=f"{SMALL_LIPS}/sync_debug", fewer=OF_LIPS),
    Form(r"train_unit2v .*data.train", "days on a GPU", more=f"{SMALL_LIPS}/unit2v_debug", fewer=OF_LIPS),
    Form(r"train_unit2v export", "of a run of days", check=check_help),
    Form(r"train_lipsync .*data.train=data/", "days on a GPU", check=check_settings),
    Form(r"train_lipsync export", "of a run of days", check=check_help),
    Form(r"train_lipsync .*debug", "a minute", more="loop.max_steps=2 loop.device=cpu"),
    Form(r"train_unit2a .*tones/units", "minutes", more=FEW_STEPS),
    Form(r"train_unit2a (model=harmonic|--config-name shipped)", "days on a GPU", check=check_settings),
    Form(r"train_unit2a \.\.\.", "days on a GPU; its beginning stands above it on the page", check=check_settings),
    Form(r"inference_unit2a .*unit2av-path unit_av_renderer_ko", "no units of this name are here", check=check_help),
    Form(r"av2unit.train .*train_debug", "a minute", more="loop.max_steps=4 loop.num_workers=0"),
    Form(r"av2unit.kmeans|av2unit.train (--config-name|run_dir)", "hours, of corpora that are not here", check=check_settings),
    Form(r"av2unit.train export --run-dir runs/it1", "of a run of hours", check=check_help),
    Form(r"text2unit.train --config-name text2unit/aligned", "days on a GPU", check=check_settings),
    Form(r"netflips say .*runs/say_kss", "of a run of days", check=check_help),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the corpora, the checkpoints and the scripts, on a machine that shows one core."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        write_random_checkpoints(folder, "tiny")
        (folder / "unit_av_renderer.pt").write_bytes((folder / RENDERER).read_bytes())
        patch.setenv("NETFLIPS_MODELS", str(folder / "models"))
        for name, flag, file in (
            ("encoder", "--av2unit-path", "mavhubert_large_noise.pt"),
            ("translator", "--utut-path", "utut_sts_ft.pt"),
            ("renderer", "--unit2av-path", RENDERER),
            ("renderer-ko", "--unit2av-path", RENDERER),
        ):
            keep_model(name, flag, folder / file)
        _write_corpora(folder)
        patch.setattr(os, "sched_getaffinity", lambda _: {0})
        # As in an activated environment; what the pages call python is this one.
        where = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        patch.setenv("PATH", where)
        patch.chdir(folder)
        yield folder


def _write_corpora(folder: Path) -> None:
    """Write each corpus with one recording that is torn."""
    zeroth = write_zeroth(folder / "unpacked", per_speaker=2, seconds=1.2)
    _write_torn(next(zeroth.rglob("106_003_0001.flac")).with_name("106_003_0009.flac"))
    with next(zeroth.rglob("106_003.trans.txt")).open("a", encoding="utf-8") as texts:
        texts.write("106_003_0009 들리지 않는다\n")
    with tarfile.open(folder / "zeroth_korean.tar.gz", "w:gz") as archive:
        for one in zeroth.iterdir():
            archive.add(one, one.name)
    _write_torn(write_kaldi_folder(folder, count=4).parents[1] / "wavs" / "kss_0003.wav")
    training = write_kox(folder / "Ko-X", names=KOX_NAMES, seconds=1.0, english=True) / "01-1.정식개방데이터" / "Training"
    write_zip(training / "01.원천데이터" / "TS2.zip", {"여행/et_a_005_002_009_0009.wav": TORN})
    write_zip(training / "02.라벨링데이터" / "TL2.zip", {"여행/et_a_005_002_009_0009.json": kox_label(9)})
    write_kosp2e(folder / "kosp2e", 1.2)
    write_lhotse(folder / "librispeech_manifests")
    for program in ("my_tts", "espeak-ng"):
        write_stand_in(folder / "bin", program, sound_bytes(0.8, 3))
    for program, code in (("nllb", TRANSLATE), ("whisper", HEAR)):
        write_program(folder / "bin" / program, code)
    (folder / "my_configs" / "unit2av").mkdir(parents=True)
    (folder / "ray.yaml").write_text("ray: true\n")
    (folder / "my_configs" / "unit2av" / "our_voice.yaml").write_text(_yaml_of(ROOT / "docs" / "training.md"))
    copytree(ROOT / "docs" / "clip", folder / "docs" / "clip")
    for seed, name in enumerate(("anna", "ben", "carl"), 2):
        talking_head(folder / "talks" / name / "talk.mp4", (0.2, 2.4, 0.2), seed)
    talk = (folder / "talks" / "anna" / "talk.mp4").read_bytes()
    for torn in ("talks/dora/talk.mp4", "videos/torn.mp4"):
        _write_torn(folder / torn)
    for copy in ("lrs3/trainval/anna/00001.mp4", "videos/a.mp4", "videos/b.mp4", "talk.mp4"):
        (folder / copy).parent.mkdir(parents=True, exist_ok=True)
        (folder / copy).write_bytes(talk)
    talking_head(folder / "grid" / "s1" / "talk.mp4", (0.2, 3.4, 0.2))
    (folder / "lrs3" / "trainval" / "anna" / "00001.txt").write_text("Text:  HELLO THERE\n")
    seen = talking_head(folder / "seen.mp4", LIP_PLAN, rate=30, size=(180, 320), pose=Pose(scale=0.4, shift=(0.25, 0.0)))
    label = lip_label(LIP_NAME, [[36, 164, 140, 246]] * 132)
    lips = write_aihub_lips(folder / "009.립리딩(입모양) 음성인식 데이터", LIP_NAME, seen.read_bytes(), label)
    write_tar(lips / "01.데이터" / "1.Training" / "원천데이터" / "TS6.tar", {"F/lip_torn.mp4": TORN})
    write_tar(lips / "01.데이터" / "1.Training" / "라벨링데이터" / "TL6.tar", {"F/lip_torn.json": lip_label("lip_torn", [])})


def _write_torn(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(TORN)


def _yaml_of(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]


@pytest.mark.parametrize("line", parameters(*PAGES))
def test_a_command_of_the_page_runs(line: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_in_form(line, FORMS, monkeypatch)


@pytest.mark.parametrize(
    ("manifest", "units", "count"),
    [
        ("zeroth/train", "zeroth", 4),
        ("kox/ko", "kox/ko", 6),
        ("kox/en", "kox/en", 6),  # what is spoken to a Korean recording that is torn has no partner
        ("talks/manifest", "talks", 3),
        ("aihub_lips/train", "aihub_lips", 2),
    ],
)
def test_every_utterance_has_its_units(manifest: str, units: str, count: int, desk: Path) -> None:
    entries = read_manifest(desk / "data" / f"{manifest}.jsonl").entries
    found = read_units(desk / "units" / units)
    assert sorted(found) == sorted(entry.id for entry in entries)
    assert len(found) == count
    for entry in entries:
        assert len(found[entry.id].frames()) == pytest.approx(entry.duration_s * 50, abs=2)


@pytest.mark.parametrize(("corpus", "name"), FAILED.items())
def test_what_cannot_be_prepared_is_named(corpus: str, name: str, desk: Path) -> None:
    assert name in read_rows(desk / "data" / corpus / "failed.jsonl")[0]["reason"]


def test_the_rehearsal_dubs_with_what_it_trained(desk: Path) -> None:
    """The translator that dubbed has the row that was added, and was changed by its training."""
    start, best = desk / "rehearsal" / "utut_ko_start.pt", desk / "rehearsal" / "run" / "checkpoints" / "checkpoint_best.pt"
    tables = [read_checkpoint(path, TRANSLATOR).tensors["encoder.embed_tokens.weight"] for path in (start, best)]
    assert [len(table) for table in tables] == [1025, 1025]
    assert not tables[0].equal(tables[1])
    comment = probe(desk / "rehearsal" / "clip_ko.mp4").comment
    assert comment.startswith("synthetic: NetfLips")
    assert "en->ko" in comment


def test_other_results_of_the_page_are_there(desk: Path) -> None:
    assert (desk / "data" / "pairs" / "dict.en.txt").is_file()
    assert len(list((desk / "units" / "raw" / "units").rglob("*.unit"))) == 3
    assert len(list((desk / "lips" / "lips").rglob("*.lip.mp4"))) == 3
    assert len(list((desk / "dubbed").glob("*.mp4"))) == 2
