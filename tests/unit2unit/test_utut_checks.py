"""Errors before the first step: what does not fit is said in one line, and nothing is made. A damaged last checkpoint gives way."""

import builtins
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.errors import CheckpointError, UsageError
from avcore.train.entry import read_config
from tests.unit2unit.phrasebook import NUM_UNITS, prepare_stage, write_folders
from tests.unit2unit.tiny import tiny_config, write_tiny
from unit2unit.stage import TRANSLATOR
from unit2unit.training.checks import check_device, dictionary_size
from unit2unit.training.config import TrainingRun, in_one_section, stated_settings
from unit2unit.training.entry import finetune as finetune
from unit2unit.training.entry import pretrain as pretrain
from unit2unit.training.export import write_fairseq
from unit2unit.training.launch import fairseq_config
from unit2unit.training.machine import follow_memory, require_fairseq
from unit2unit.training.prepare_pairs import main as prepare_pairs
from unit2unit.training.start import follow_start, read_translator_start
from unit2unit.translator import UnitTranslator
from unit2unit.utut_finetune.add_language import main as add_language

_SHA, _OTHER = "sha256:0123456789abcdef", "sha256:fedcba9876543210"
_SIZES = [
    f"fairseq.model.{side}_{name}={size}"
    for side, sizes in (("encoder", (24, 3, 2, 40)), ("decoder", (24, 3, 3, 56)))
    for name, size in zip(("embed_dim", "attention_heads", "layers", "ffn_embed_dim"), sizes, strict=True)
]
"""Of the translators in tests.unit2unit.tiny."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    more = ("--valid", "2", "--units-vocabulary", _SHA)
    prepare_stage(root / "pairs", "finetune", 30, *more, "--test", "2")
    prepare_stage(root / "tables", "pretrain", 30, *more)
    return root


def _translator(folder: Path, num_units: int = NUM_UNITS, languages: tuple[str, ...] = ("en", "es", "ko"), **extra: Any) -> Path:
    """A .pt file to start from."""
    own = write_tiny(folder / "own.safetensors", 0, tiny_config(num_units, languages=languages), **extra)
    write_fairseq(read_checkpoint(own, TRANSLATOR), folder / "start.pt")
    return folder / "start.pt"


Tell = Callable[..., str]


@pytest.fixture
def tell(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Run a trainer's checks, which end with an exit code; returns what it said. Nothing may be left behind by an error."""

    def run(*settings: str, code: int = 0, folder: str = "pairs", main: Callable[[list[str]], int] = finetune) -> str:
        name = "finetune" if main is finetune else "pretrain"
        given = [f"data_dir={data / folder / 'data'}", f"run_dir={tmp_path / 'run'}", "check_only=true", *settings]
        assert main(["--config-name", f"unit2unit/{name}_debug", *given]) == code
        assert not (tmp_path / "run").exists()
        return capsys.readouterr().err

    return run


@pytest.fixture
def refused(tell: Tell) -> Tell:
    return partial(tell, code=2)


_LANGS = "fairseq.task.langs=[en,es,ko]"


@pytest.mark.parametrize(
    ("start", "settings", "words"),
    [
        (None, ["data_dir=/none"], ["the data folder is not there", "prepare_pairs"]),
        ({"num_units": 50}, _SIZES, [f"expected {NUM_UNITS} units", "found 50"]),
        ({"languages": ("en", "es")}, [*_SIZES, _LANGS], ["found no ko", "add_language"]),
        ({"languages": ("en", "es")}, [], ["expected ko; found en,es; add them: python -m unit2unit.utut_finetune.add_language"]),
        ({"languages": ("es", "en", "ko")}, [*_SIZES, _LANGS], ["expected es,en,ko"]),
        ({"languages": ("es", "en", "ko")}, [*_SIZES, "fairseq.task.langs=[en,es,ko,fr]"], ["found no fr"]),
        ({}, [*_SIZES[:-1], "fairseq.model.decoder_ffn_embed_dim=64"], ["decoder_ffn_embed_dim=56"]),
        ({"vocabulary": _OTHER}, _SIZES, [_SHA, _OTHER, "allow_other_vocabulary=true"]),
        (None, [f"units_vocabulary={_OTHER}"], [_SHA, _OTHER]),
    ],
)
def test_what_does_not_fit_together_is_named(
    refused: Tell, tmp_path: Path, start: dict[str, Any] | None, settings: list[str], words: list[str]
) -> None:
    init = [] if start is None else [f"init={_translator(tmp_path, **start)}"]
    told = refused(*init, *settings)
    assert [word for word in words if word not in told] == []


def test_settings_are_looked_at_before_there_are_data(tell: Tell, refused: Tell, tmp_path: Path) -> None:
    """A recipe asks before it extracts. The language may still be missing: `add_language` adds it later."""
    start = _translator(tmp_path, languages=("en", "es"))
    assert "data were not looked at" in tell("data_dir=", f"init={start}")
    several = ["fairseq.distributed_training.distributed_world_size=8", "fairseq.distributed_training.ddp_backend=legacy_ddp"]
    small = ["fairseq.dataset.max_tokens=auto", "fairseq.optimizer.update_freq=auto", "update_tokens=1024"]
    told = refused("data_dir=", f"init={start}", *several, *small)
    assert "an update cannot be divided among the processes; expected update_tokens=8192 or more" in told


def test_the_pair_is_that_of_the_data_where_none_is_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = write_folders(tmp_path / "units", 30)
    given = ["--source", folders["en"], "--target", folders["es"], "--target-lang", "es", "--num-units", NUM_UNITS]
    assert prepare_pairs([*map(str, given), "--valid", "2", "--test", "2", "--out", str(tmp_path / "data")]) == 0
    settings = [f"data_dir={tmp_path / 'data'}", f"run_dir={tmp_path / 'run'}", "check_only=true", f"init={_translator(tmp_path)}"]
    assert finetune(["--config-name", "unit2unit/finetune_debug", *settings]) == 0
    assert "pairs of en and es: taken from it" in capsys.readouterr().err
    assert finetune(["--config-name", "unit2unit/finetune_debug", *settings, "fairseq.task.target_lang=ko"]) == 2
    assert "no dict.ko.txt" in capsys.readouterr().err


def test_data_of_the_other_training(refused: Tell) -> None:
    assert "no dict.en.txt, dict.ko.txt, train.en-ko.en.bin" in refused(folder="tables")
    assert "no dict.txt" in refused(main=pretrain)
    assert "no tag in langs" in refused("fairseq.task.langs=[en,ko]", main=pretrain, folder="tables")


def test_sizes_and_languages_are_those_of_the_start(tell: Tell, tmp_path: Path) -> None:
    start = _translator(tmp_path, languages=("es", "ko", "pl", "en"))
    for main, folder in ((finetune, "pairs"), (pretrain, "tables")):
        told = tell(f"init={start}", main=main, folder=folder)
        assert told.splitlines()[-1] == "the run can start"
        assert f"{start}: 2 + 3 layers of width 24, languages es,ko,pl,en: taken from it" in told
        assert ("validation: loss on 2 of 2 pairs, BLEU over units on 2 of them\n" in told) == (folder == "pairs")
    run = read_config(TrainingRun, "unit2unit/finetune", ["data_dir=d", "run_dir=r", f"init={start}"])
    config = fairseq_config(check_device(follow_start(run, read_translator_start(run), frozenset())))
    assert config.task.langs == "es,ko,pl,en"
    assert (config.model.encoder_layers, config.model.decoder_layers) == (2, 3)
    assert (config.model.decoder_ffn_embed_dim, config.model.encoder_attention_heads) == (56, 3)


def test_units_of_another_quantizer_are_taken_when_asked_for(tell: Tell, tmp_path: Path) -> None:
    told = tell(f"init={_translator(tmp_path, vocabulary=_OTHER)}", *_SIZES, "allow_other_vocabulary=true")
    assert "training all the same" in told


def test_half_precision_and_several_processes_need_a_gpu(tell: Tell) -> None:
    told = tell("fairseq.common.fp16=true", "fairseq.common.cpu=false")
    if not torch.cuda.is_available():
        assert "half precision (fp16) needs a GPU: training in float32 on the CPU" in told
        tell("fairseq.distributed_training.distributed_world_size=2", code=2)
        tell("fairseq.common.bf16=true", code=2)


def test_a_start_that_fairseq_cannot_read(tell: Tell, refused: Tell, tmp_path: Path) -> None:
    own = write_tiny(tmp_path / "own.safetensors", 0, tiny_config(NUM_UNITS, languages=("en", "es", "ko")))
    assert "OUT.pt --language" in refused(f"init={own}", *_SIZES)
    assert add_language([str(own), str(tmp_path / "as.pt"), "--language"]) == 0
    tell(f"init={tmp_path / 'as.pt'}", *_SIZES)
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 no more")
    refused(f"init={tmp_path / 'broken.pt'}")
    refused(f"init={tmp_path / 'none.pt'}")


_NO_WANDB = pytest.mark.skipif(find_spec("wandb") is not None, reason="Weights & Biases is installed")


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ("fairseq.dataset.max_tokenz=3", "max_tokens"),
        ("fairseq.optimizer.optimizer=adamm", "adamm"),
        ("fairseq.dataset.max_tokens=many", "max-tokens"),
        ("fairseq.checkpoint.save_dir=elsewhere", "save_dir"),
        ("fairseq.model.encoder_normalize_before=false", "encoder_normalize_before"),
        ("fairseq.dataset.lr=[1]", "lr"),
        pytest.param("fairseq.common.wandb_project=mine", "wandb_project asks for Weights & Biases", marks=_NO_WANDB),
        ("fairseq.task.langs=[en,es]", "found ko"),
        ("fairseq.task.autocast=float8", "none, bfloat16, auto"),
        ("fairseq.task.autocast=bfloat16 fairseq.common.fp16=true", "asked for twice"),
        ("fairseq.task.noise_delete=1.5", "noise_delete must be a share"),
        ("fairseq.optimization.max_update=7 fairseq.optimizer.max_update=8", "set twice"),
        ("max_minutes=5 fairseq.optimizer.stop_time_hours=1", "stop_time_hours"),
        ("generation.beams=3", "beams"),
        ("no_such=1", "no_such"),
        ("resume=maybe", "resume"),
        ("fairseq.task.prepend_bos=false", "begin with <s>, and are padded at their end; expected prepend_bos=true"),
        ("fairseq.task.left_pad_source=true", "found prepend_bos=True left_pad_source=True"),
        ("~fairseq.task.text_weight", "cannot be taken away: its default would come back; found ~fairseq.task.text_weight"),
        ("hydra.job.chdir=true", "hydra's own settings have no effect here; found hydra.job.chdir=true"),
    ],
)
def test_settings_that_do_not_fit_are_refused(refused: Tell, settings: str, word: str) -> None:
    assert word in refused(*settings.split())


def test_hydras_name_of_the_folder_names_that_of_the_run() -> None:
    settings = ["data_dir=d", "hydra.run.dir=mine/first"]
    assert read_config(TrainingRun, "unit2unit/finetune_debug", settings).run_dir == "mine/first"


def test_a_translator_that_learnt_without_the_first_mark_is_refused(tmp_path: Path) -> None:
    task = {"task": "translation_from_pretrained_bart", "langs": "en,fr,ko", "prepend_bos": False}
    path = write_tiny(tmp_path / "x.safetensors", task=task)
    with pytest.raises(CheckpointError, match="expects sentences without <s>"):
        UnitTranslator.from_checkpoint(path)
    UnitTranslator.from_checkpoint(write_tiny(tmp_path / "y.safetensors", task=task | {"prepend_bos": True}))


def test_options_work_in_fairseqs_own_sections(tell: Tell) -> None:
    def resolve_backend(*settings: str) -> TrainingRun:
        run = read_config(TrainingRun, "unit2unit/finetune_debug", ["data_dir=d", "run_dir=r", *settings])
        return in_one_section(run, stated_settings(settings))

    run = resolve_backend("fairseq.optimization.max_update=7", "fairseq.lr_scheduler.warmup_updates=3", "fairseq.model.dropout=0.2")
    assert (run.option("max_update"), run.option("warmup_updates"), run.option("dropout")) == (7, 3, 0.2)
    assert resolve_backend("fairseq.optimizer.max_update=8", "fairseq.regularization.dropout=0.3").option("max_update") == 8
    tell("fairseq.optimization.max_update=7", "fairseq.optimization.lr=[1.0e-3]")
    assert finetune(["--config-name", "unit2unit/finetune_debug"]) == 2


def test_a_folder_with_a_run_is_not_taken_for_another(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = _translator(tmp_path)
    last = tmp_path / "run" / "checkpoints" / "checkpoint_last.pt"
    last.parent.mkdir(parents=True)
    start.rename(last)
    settings = [f"data_dir={data / 'pairs' / 'data'}", f"run_dir={tmp_path / 'run'}", "check_only=true", *_SIZES]
    assert finetune(["--config-name", "unit2unit/finetune_debug", *settings]) == 0
    assert f"going on from {last}" in capsys.readouterr().err
    assert finetune(["--config-name", "unit2unit/finetune_debug", *settings, "resume=never"]) == 0
    assert "going on" not in capsys.readouterr().err
    assert last.exists(), "a check puts nothing aside"
    last.write_bytes(last.read_bytes()[:1000])
    assert finetune(["--config-name", "unit2unit/finetune_debug", *settings]) == 2
    told = capsys.readouterr().err
    assert str(last) in told
    assert "resume=never starts anew" in told


def test_missing_unit_files_and_bad_ones(data: Path, refused: Tell) -> None:
    tables = data / "tables" / "data"
    gone, dictionary = sorted((tables / "units" / "ko").iterdir())[5], tables / "dict.txt"
    content = gone.read_text()
    gone.unlink()
    told = refused(main=pretrain, folder="tables")
    gone.write_text(content)
    assert str(gone) in told
    content = dictionary.read_text()
    dictionary.write_text("".join(f"{unit} 1\n" for unit in range(5)))
    told = refused(main=pretrain, folder="tables")
    dictionary.write_text(content)
    assert "out of range" in told


def test_a_dictionary_lists_units_in_order(tmp_path: Path, parity_dir: Path) -> None:
    assert dictionary_size(parity_dir / "dict.txt") == 1000
    (tmp_path / "dict.txt").write_text("0 1\n2 1\n")
    with pytest.raises(Exception, match=r"dict\.txt:2.*expected 1 1"):
        dictionary_size(tmp_path / "dict.txt")


@pytest.mark.parametrize("name", ["finetune", "finetune_large_batch", "finetune_debug", "pretrain", "pretrain_debug"])
def test_every_yaml_is_taken_by_fairseq(name: str, tmp_path: Path) -> None:
    run = read_config(TrainingRun, f"unit2unit/{name}", [f"data_dir={tmp_path}", f"run_dir={tmp_path / 'run'}", "init=start.pt"])
    config = fairseq_config(run := follow_memory(run))
    for option, value in run.options().items():
        assert _stored(config, option) in (value, str(value), ",".join(map(str, value)) if isinstance(value, list) else value), (
            option
        )
    assert config.generation.beam == run.generation["beam"]
    assert config.checkpoint.save_dir == str(tmp_path / "run" / "checkpoints")
    assert config.checkpoint.finetune_from_model == "start.pt"


def _stored(config: Any, option: str) -> Any:
    """A fairseq option wherever its configuration has it."""
    if option == "arch":
        return config.model.arch
    if option in ("task", "criterion", "optimizer", "lr_scheduler"):
        return config[option]._name if hasattr(config[option], "_name") else config[option]["_name"]
    found = [getattr(section, option) for section in config.values() if section is not None and hasattr(section, option)]
    assert found, f"{option} went nowhere"
    return found[0]


def test_the_published_settings_are_the_published_ones() -> None:
    run = read_config(TrainingRun, "unit2unit/finetune", ["data_dir=d", "run_dir=r", "init=i.pt"])
    expected = {
        "criterion": "focal_label_smoothed_cross_entropy", "focal_gamma": 2.0, "label_smoothing": 0.2, "lr": [5e-5], "dropout": 0.3,
        "weight_decay": 1e-4, "max_update": 700_000, "total_num_update": 700_000, "batch_size": 256,
        "encoder_layers": 12, "encoder_embed_dim": 1024, "prepend_bos": True, "left_pad_source": False,
    }  # fmt: skip
    assert {name: run.option(name) for name in expected} == expected
    assert len(run.option("langs")) == 20
    run = read_config(TrainingRun, "unit2unit/pretrain", ["data_dir=d", "run_dir=r"])
    expected = {"mask": 0.3, "mask_random": 0.1, "poisson_lambda": 10.0, "multilang_sampling_alpha": 0.7}
    assert {name: run.option(name) for name in expected} == expected
    assert len(run.option("langs")) == 19


def test_only_training_needs_fairseq_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "fairseq":
            raise ModuleNotFoundError("No module named 'fairseq'")
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="make fairseq"):
        require_fairseq()
    code = "import sys; sys.modules['fairseq'] = None; import unit2unit.inference, unit2unit.utut_finetune.add_language"
    subprocess.run([sys.executable, "-c", code], check=True)


def _run(folder: Path, *settings: str) -> TrainingRun:
    return read_config(TrainingRun, "unit2unit/finetune_debug", ["data_dir=d", f"run_dir={folder}", *settings])


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A checkpoint of a run, with an older one and a newer one that has a hole."""
    own = write_tiny(tmp_path / "own.safetensors", 0, tiny_config(20))
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    older, whole, holed = (folder / f"checkpoint_{name}.pt" for name in ("best", "1_10", "1_12"))
    write_fairseq(read_checkpoint(own, TRANSLATOR), older)
    shutil.copy(older, whole)
    holed.write_bytes(_with_hole(older))
    for seconds, path in enumerate((older, whole, holed)):
        os.utime(path, (seconds, seconds))
    return whole


def _with_hole(path: Path) -> bytes:
    content = path.read_bytes()
    middle = len(content) // 2
    return content[:middle] + bytes(500) + content[middle + 500 :]


@pytest.mark.parametrize("how", ["empty", "cut", "hole"])
def test_a_torn_last_checkpoint_gives_way_to_the_newest_whole_one(whole: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    last = whole.with_name("checkpoint_last.pt")
    torn = {"empty": b"", "cut": whole.read_bytes()[:1000], "hole": _with_hole(whole)}[how]
    last.write_bytes(torn)
    assert read_translator_start(_run(whole.parent.parent, "check_only=true")) is not None
    (line,) = (line for line in caplog.messages if "updates after it are made again" in line)
    assert str(last) in line
    assert str(whole) in line
    assert last.read_bytes() == torn
    assert read_translator_start(_run(whole.parent.parent)) is not None
    assert last.read_bytes() == whole.read_bytes()


def test_a_run_without_a_whole_checkpoint_is_refused(whole: Path) -> None:
    for path in (*whole.parent.iterdir(), whole.with_name("checkpoint_last.pt")):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="no other checkpoint there is whole"):
        read_translator_start(_run(whole.parent.parent))


def test_the_recommended_training_stops_early_and_can_be_averaged() -> None:
    run = read_config(TrainingRun, "unit2unit/finetune_large_batch", ["data_dir=d", "run_dir=r", "init=i.pt"])
    assert (run.option("patience"), run.option("save_interval_updates"), run.option("keep_interval_updates")) == (5, 500, 5)
    recipe = Path(__file__).parents[2] / "recipes" / "kox" / "run.sh"
    assert "\nconfig=unit2unit/finetune_large_batch " in recipe.read_text()


def test_a_training_whose_config_is_not_named_is_the_recommended_one(capfd: pytest.CaptureFixture[str]) -> None:
    assert finetune(["--cfg", "job", "data_dir=d", "run_dir=r", "init=i.pt"]) == 0
    plain = capfd.readouterr().out
    assert (
        finetune(["--config-name", "unit2unit/finetune_large_batch", "--cfg", "job", "data_dir=d", "run_dir=r", "init=i.pt"]) == 0
    )
    assert capfd.readouterr().out == plain
    assert "update_tokens: 65536" in plain
    assert "text_weight: 1.0" in plain
