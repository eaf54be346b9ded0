"""The recipes run as they stand, on small corpora in their layouts and with models that know nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avcore.media import read_speech
from recipes.demo.random.random_checkpoints import RENDERER, TRANSLATOR, UNIT_ENCODER, write_random_checkpoints
from tests.avcore.data.prepare.made import talking_head
from tests.avcore.data.prepare.trees import write_fleurs, write_kosp2e, write_kox, write_lhotse, write_muavic, write_zeroth
from tests.integration.pages import ROOT
from tests.netflips.recognizers.tiny import write_whisper

_FEW_UPDATES = "fairseq.optimizer.max_update=2 fairseq.dataset.num_workers=0"
_SHORT = "--device cpu --beam 1 --max-target-units 20"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_random_checkpoints(folder, "tiny")
    return folder


def _run(script: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """Run a recipe's script in this environment, with options as its variables are called."""
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    return subprocess.run(["bash", str(ROOT / "recipes" / script), *words], env=env, capture_output=True, text=True, check=False)


def test_kox_goes_from_archives_to_figures_and_does_nothing_twice(models: Path, tmp_path: Path) -> None:
    names = [f"et_{topic}_005_002_009_{number:04d}" for topic, count in (("a", 4), ("b", 1), ("c", 1)) for number in range(count)]
    write_kox(tmp_path / "Ko-X", names=names, seconds=0.6)
    speak = "python -m avcore.speech.say --text-file {text_file} --out {out}"
    options = {
        "corpus": tmp_path / "Ko-X", "exp": tmp_path / "exp", "encoder": models / UNIT_ENCODER, "translator": models / TRANSLATOR,
        "speak_with": speak, "extract_with": "--modalities audio --workers 1 --device cpu",
        "train_with": _FEW_UPDATES, "evaluate_with": _SHORT,
        "pairs_with": "--test 1",
    }  # fmt: skip
    done = _run("kox/run.sh", **options)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "exp" / "run" / "translate.json").read_text())["utterances"] == 1
    again = _run("kox/run.sh", **options)
    assert again.returncode == 0
    assert [line for line in again.stdout.splitlines() if not line.endswith("done before")] == []
    later = _run("kox/run.sh", **options | {"pairs_with": "--test 2", "stage": 4, "stop_stage": 4})
    assert later.returncode == 0, later.stderr
    splits = json.loads((tmp_path / "exp" / "pairs" / "data.json").read_text())["splits"]
    assert {split: about["pairs"] for split, about in splits.items()} == {"train": 3, "valid": 1, "test": 2}
    stale = _run("kox/run.sh", **options | {"pairs_with": "--test 2"})
    assert stale.returncode == 2
    assert "these are other pairs than this run was trained on" in stale.stderr
    anew = _run("kox/run.sh", **options | {"pairs_with": "--test 2", "run": "second"})
    assert anew.returncode == 0, anew.stderr
    assert json.loads((tmp_path / "exp" / "second" / "translate.json").read_text())["utterances"] == 2


_TRANSLATOR = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"ok": True, "text": "number " + json.loads(line)["text"][-1]}), flush=True)
"""


def test_public_corpora_become_human_and_synthetic_pairs(models: Path, tmp_path: Path) -> None:
    write_fleurs(tmp_path / "fleurs", seconds=0.9)
    write_zeroth(tmp_path / "zeroth", per_speaker=1)
    (tmp_path / "translate.py").write_text(_TRANSLATOR)
    options: dict[str, object] = {
        "fleurs": tmp_path / "fleurs", "zeroth": tmp_path / "zeroth", "exp": tmp_path / "exp",
        "encoder": models / UNIT_ENCODER, "translator": models / TRANSLATOR, "prepare_with": "--workers 1",
        "translate_with": f"python {tmp_path / 'translate.py'}",
        "speak_english_with": "python -m avcore.speech.say --text-file {text_file} --out {out}", "train_with": _FEW_UPDATES,
        "extract_with": "--modalities audio --workers 1 --device cpu", "evaluate_with": _SHORT,
        "renderer": models / RENDERER, "stop_stage": 25,
    }  # fmt: skip
    done = _run("public/run.sh", **options)
    assert done.returncode == 0, done.stderr
    spoken = [json.loads(line) for line in (tmp_path / "exp" / "run" / "spoken" / "manifest.jsonl").read_text().splitlines()]
    assert len(spoken) == 3
    assert all((tmp_path / "exp" / "run" / "spoken" / row["dub"]).stat().st_size > 1000 for row in spoken)
    assert all(row["reference_text"].startswith("ko_kr sentence") and Path(row["reference"]).exists() for row in spoken)
    splits = json.loads((tmp_path / "exp" / "pairs" / "data.json").read_text())["splits"]
    assert {split: about["pairs"] for split, about in splits.items()} == {"train": 5, "valid": 3, "test": 3}
    assert json.loads((tmp_path / "exp" / "run" / "translate.json").read_text())["utterances"] == 3
    (tmp_path / "exp" / "run" / "spoken" / spoken[0]["dub"]).write_bytes(b"of another voice")
    again = _run("public/run.sh", **options | {"renderer": shutil.copy(models / RENDERER, tmp_path), "stage": 25})
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "exp" / "run" / "spoken" / spoken[0]["dub"]).stat().st_size > 1000


def test_open_corpora_become_a_translator_from_nothing(models: Path, tmp_path: Path) -> None:
    """kosp2e is spoken in English by a program; LibriSpeech's translations are said in units by a model of Zeroth's."""
    zeroth = write_zeroth(tmp_path / "zeroth", seconds=1.2)
    for table in zeroth.rglob("*.trans.txt"):
        names = [line.split()[0] for line in table.read_text(encoding="utf-8").splitlines()]
        said = ("안녕하세요", "고마워요", "미안해요")
        table.write_text("".join(f"{name} {text}\n" for name, text in zip(names, said, strict=True)), encoding="utf-8")
    translator = "import json\nwhile 1:\n    said = {'0': '좋은 아침', '1': '또 봐요'}[json.loads(input())['text'][-1]]\n"
    translator += "    print(json.dumps({'ok': True, 'text': said}), flush=True)\n"
    (tmp_path / "translate.py").write_text(translator, encoding="utf-8")
    small = "fairseq.model.encoder_layers=1 fairseq.model.decoder_layers=1 fairseq.model.encoder_embed_dim=16"
    small += " fairseq.model.decoder_embed_dim=16 fairseq.model.encoder_ffn_embed_dim=16 fairseq.model.decoder_ffn_embed_dim=16"
    options: dict[str, object] = {
        "fleurs": "", "zeroth": zeroth, "kosp2e": write_kosp2e(tmp_path / "kosp2e", 1.2),
        "lhotse": write_lhotse(tmp_path / "lhotse"),
        "exp": tmp_path / "exp", "encoder": models / UNIT_ENCODER, "translator": "", "prepare_with": "--workers 1",
        "translate_with": f"python {tmp_path / 'translate.py'}",
        "speak_english_with": "python -m avcore.speech.say --text-file {text_file} --out {out}",
        "extract_with": "--modalities audio --workers 1 --device cpu", "evaluate_with": _SHORT,
        "text2unit_config": "text2unit/aligned_debug", "text2unit_with": "loop.max_steps=2 loop.device=cpu data.hold_out=1",
        "config_dir": ROOT / "recipes" / "public" / "configs", "config": "from_nothing",
        "pairs_with": "--valid 1 --test 1 --max-ratio 0",
        "train_with": f"{_FEW_UPDATES} {small} fairseq.common.cpu=true fairseq.common.fp16=false update_tokens=1024",
    }  # fmt: skip
    done = _run("public/run.sh", **options)
    assert done.returncode == 0, done.stderr
    splits = json.loads((tmp_path / "exp" / "pairs" / "data.json").read_text())["splits"]
    assert sum(about["pairs"] for about in splits.values()) == 3
    texts = (tmp_path / "exp" / "pairs" / "text").glob("*.transcript")
    assert {path.read_text(encoding="utf-8") for path in texts} == {"안녕하세요\n", "좋은 아침\n", "또 봐요\n"}
    again = _run("public/run.sh", **options)
    assert [line for line in again.stdout.splitlines() if line.startswith("stage") and not line.endswith("done before")] == []


def test_the_true_size_is_rehearsed_and_its_hours_reckoned(tmp_path: Path) -> None:
    small = "fairseq.model.encoder_layers=1 fairseq.model.decoder_layers=1 fairseq.common.cpu=true fairseq.common.fp16=false"
    done = _run("public/rehearse.sh", exp=tmp_path, pairs=12, scale=0.04, train_with=small)
    assert done.returncode == 0, done.stderr
    assert re.search(r"tokens a second \(median of 2 updates\)\n200,000 updates of 65,536 tokens: [\d,]+ hours", done.stdout)


def test_the_rehearsal_of_kox_has_its_true_shape(tmp_path: Path) -> None:
    few = f"{_FEW_UPDATES} fairseq.optimizer.lr_scheduler=polynomial_decay fairseq.model.encoder_layers=1"
    done = _run("kox/rehearse.sh", exp=tmp_path, pairs=12, held_out=4, scale=0.04, train_with=few, evaluate_with=_SHORT)
    assert done.returncode == 0, done.stderr
    shape = json.loads((ROOT / "recipes" / "kox" / "shape.json").read_text())["lengths"]
    for language in ("en", "ko"):
        lines = (tmp_path / "shape" / f"train.{language}").read_text().splitlines()
        assert [len(line.split()) for line in lines] == [round(0.04 * length) for length in shape[language][:12]]


def test_the_paper_s_table_is_filled_from_a_corpus_in_its_layout(models: Path, parity_dir: Path, tmp_path: Path) -> None:
    """Random checkpoints, so the figures mean nothing; a join by line number would be wrong for two of four clips."""
    crops = parity_dir / "clip_long.lip.mp4"
    muavic, mtedx = write_muavic(tmp_path, crops, crops)
    shutil.copytree(muavic / "es", muavic / "en", ignore=lambda folder, _: ["en"] if Path(folder).name == "es" else [])
    (muavic / "en" / "es").mkdir()
    shutil.copy(muavic / "en" / "test.tsv", muavic / "en" / "es" / "test_avst.tsv")
    for name in ("test.en", "es/test_avst.es"):
        shutil.copy(muavic / "es" / "test.es", muavic / "en" / name)
    faces, page = tmp_path / "faces" / "aaa", tmp_path / "RESULTS.md"
    talking_head(faces / "aaa_0000.mp4", (0.2, 2.0, 0.2), 2)
    page.write_text("<!-- av2av: begin -->\n<!-- av2av: end -->\n")
    options: dict[str, object] = {
        "muavic": muavic, "mtedx": mtedx, "exp": tmp_path / "exp", "encoder": models / UNIT_ENCODER, "directions": "es-en",
        "translator": models / TRANSLATOR,
        "renderer": models / RENDERER, "recognizers": write_whisper(tmp_path / "small.en", "en of"),
        "conditions": "clean 0", "modalities": "audio,video", "results": page, "speak_with": "--device cpu",
        "extract_with": "--workers 1 --device cpu", "translate_with": _SHORT, "prepare_with": "--workers 1",
    }  # fmt: skip
    done = _run("av2av/run.sh", **options)
    assert done.returncode == 0, done.stderr
    assert "2 of 4 lines belong to another segment" in done.stderr
    rows = [line.strip("| ").split(" | ") for line in (tmp_path / "exp" / "table.md").read_text().splitlines()]
    ours = [row for row in rows if "small.en" in row]
    assert [(row[0], row[1], row[2], row[3], row[-1]) for row in ours] == [
        ("es-en", "0", "sound and lips", "", "3"),
        ("es-en", "clean", "sound and lips", "26.57, 0.35", "3"),
    ]
    assert all(row[5] and row[6] for row in ours)
    assert sum(row[0] == "en-pt" for row in rows) == 2, "what was not run has empty rows"
    assert rows[-1] == ["Video of es-en: lips 3, none 1."]
    assert "26.57, 0.35 | small.en" in page.read_text()
    name = "audio/test/aaa/aaa_0000.wav"
    noisy, clean = read_speech(tmp_path / "exp" / "es-en" / "babble_0" / name), read_speech(muavic / "es" / name)
    share = np.dot(noisy, clean) / np.dot(clean, clean)  # it is made quieter where it would clip
    assert 10 * np.log10(np.mean((share * clean) ** 2) / np.mean((noisy - share * clean) ** 2)) == pytest.approx(0, abs=1)
    again = _run("av2av/run.sh", **options)
    assert [line for line in again.stdout.splitlines() if line.startswith("stage") and not line.endswith("done before")] == []

    back = {
        "other_recognizers": write_whisper(tmp_path / "small", "es of", language="fr"),  # which does not know Spanish
        "directions": "en-es",
        "conditions": "clean",
        "faces": faces.parent,
        "syncnet": parity_dir / "syncnet_v2_tiny.model",
    }
    looked_at = "speaker_cosine,lse_c_published,lse_d_published"
    done = _run("av2av/run.sh", **options | back, hear_options=f"--metrics {looked_at} --least-frames 1 --least-face 1")
    assert done.returncode == 0, done.stderr
    made = tmp_path / "exp" / "en-es" / "clean" / "audio,video" / "spoken"
    assert sorted(path.suffix for path in made.iterdir() if path.suffix != ".jsonl") == [".mp4", ".wav", ".wav"]
    assert "lse_d_published" in (made.parent / "small" / "metrics.json").read_text()


@pytest.mark.parametrize("recipe", ["kox", "public"])
def test_an_impossible_update_is_refused_before_anything(models: Path, tmp_path: Path, recipe: str) -> None:
    several = "fairseq.distributed_training.distributed_world_size=8 fairseq.distributed_training.ddp_backend=legacy_ddp"
    options = {"exp": tmp_path / "exp", "translator": models / TRANSLATOR, "config": "unit2unit/finetune"}
    done = _run(f"{recipe}/run.sh", **options, train_with=f"{several} fairseq.common.cpu=true")
    assert done.returncode == 2
    assert "an update cannot be divided among the processes; expected update_tokens=8192 or more" in done.stderr
    assert not (tmp_path / "exp").exists()


def test_an_option_that_a_recipe_lacks_is_named() -> None:
    refused = _run("kox/run.sh", epochs=3)
    assert refused.returncode == 2
    assert "--epochs" in refused.stderr
