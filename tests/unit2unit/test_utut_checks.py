"""Errors before the first step: what does not fit is said in one line, and nothing is made."""

import builtins
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.errors import UsageError
from avtrain.entry import read_config
from tests.unit2unit.phrasebook import NUM_UNITS, write_folders
from tests.unit2unit.tiny import tiny_config, write_tiny
from unit2unit.stage import TRANSLATOR
from unit2unit.training.checks import check_device, dictionary_size
from unit2unit.training.config import TrainingRun, in_one_section, stated_settings
from unit2unit.training.export import write_fairseq
from unit2unit.training.machine import require_fairseq
from unit2unit.training.memory import follow_memory
from unit2unit.training.options import fairseq_config
from unit2unit.training.start import follow_start, read_translator_start
from unit2unit.utut_finetune.add_language import main as add_language
from unit2unit.utut_finetune.finetune import main as finetune
from unit2unit.utut_finetune.prepare_pairs import main as prepare_pairs
from unit2unit.utut_pretrain.prepare import main as prepare_tables
from unit2unit.utut_pretrain.pretrain import main as pretrain

_SHA, _OTHER = "sha256:0123456789abcdef", "sha256:fedcba9876543210"
_SIZES = [
    f"fairseq.model.{name}={size}"
    for name, size in {
        "encoder_embed_dim": 24,
        "decoder_embed_dim": 24,
        "encoder_attention_heads": 3,
        "decoder_attention_heads": 3,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_ffn_embed_dim": 40,
        "decoder_ffn_embed_dim": 56,
    }.items()
]
"""Of the translators in tests.unit2unit.tiny."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    folders = write_folders(root / "units", 30)
    common = ["--num-units", str(NUM_UNITS), "--valid", "2", "--quiet", "--units-vocabulary", _SHA]
    given = ["--source", str(folders["en"]), "--target", str(folders["ko"]), "--test", "2"]
    assert prepare_pairs([*given, *common, "--out", str(root / "pairs")]) == 0
    units = [f"{language}={folder}" for language, folder in folders.items()]
    assert prepare_tables(["--units", *units, *common, "--out", str(root / "tables")]) == 0
    return root


def _translator(folder: Path, num_units: int = NUM_UNITS, languages: tuple[str, ...] = ("en", "es", "ko"), **extra: Any) -> Path:
    """A .pt file to start from."""
    own = write_tiny(folder / "own.safetensors", 0, tiny_config(num_units, languages=languages), **extra)
    write_fairseq(read_checkpoint(own, TRANSLATOR), folder / "start.pt")
    return folder / "start.pt"


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def tell(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a trainer's checks; returns the exit code and what it said. Nothing may be left behind by an error."""

    def run(*settings: str, folder: str = "pairs", main: Callable[[list[str]], int] = finetune) -> tuple[int, str]:
        name = "finetune" if main is finetune else "pretrain"
        given = [f"data_dir={data / folder}", f"run_dir={tmp_path / 'run'}", "check_only=true", *settings]
        code = main(["--config", f"unit2unit/{name}_debug", *given])
        assert not (tmp_path / "run").exists()
        return code, capsys.readouterr().err

    return run


def test_a_run_that_fits_passes(tell: Command, tmp_path: Path) -> None:
    start = _translator(tmp_path)
    for main, folder in ((finetune, "pairs"), (pretrain, "tables")):
        code, told = tell(f"init={start}", *_SIZES, main=main, folder=folder)
        assert code == 0
        assert told.endswith("the run can start\n")
        assert ("validation: loss on 2 of 2 pairs, BLEU over units on 2 of them\n" in told) == (folder == "pairs")


def test_data_that_are_not_there(tell: Command, tmp_path: Path) -> None:
    code, told = tell("data_dir=" + str(tmp_path / "none"))
    assert code == 2
    assert "the data folder is not there" in told
    assert "prepare_pairs" in told
    code, told = tell(folder="tables")
    assert code == 2
    assert "no dict.en.txt, dict.ko.txt, train.en-ko.en.bin" in told
    code, told = tell(folder="pairs", main=pretrain)
    assert code == 2
    assert "no dict.txt" in told


def test_a_dictionary_of_another_size(tell: Command, tmp_path: Path) -> None:
    code, told = tell(f"init={_translator(tmp_path, num_units=50)}", *_SIZES)
    assert code == 2
    assert f"expected {NUM_UNITS} units" in told
    assert "found 50" in told


def test_languages_that_the_checkpoint_lacks(tell: Command, tmp_path: Path) -> None:
    start = f"init={_translator(tmp_path, languages=('en', 'es'))}"
    code, told = tell(start, *_SIZES, "fairseq.task.langs=[en,es,ko]")
    assert code == 2
    assert "found no ko" in told
    assert "add_language" in told
    code, told = tell(start)
    assert code == 2
    assert "expected ko; found en,es; add them: python -m unit2unit.utut_finetune.add_language" in told


def test_languages_in_another_order(tell: Command, tmp_path: Path) -> None:
    start = f"init={_translator(tmp_path, languages=('es', 'en', 'ko'))}"
    code, told = tell(start, *_SIZES, "fairseq.task.langs=[en,es,ko]")
    assert code == 2
    assert "expected es,en,ko" in told
    code, told = tell(start, *_SIZES, "fairseq.task.langs=[en,es,ko,fr]")
    assert code == 2
    assert "found no fr" in told


@pytest.mark.parametrize(("main", "folder"), [(finetune, "pairs"), (pretrain, "tables")])
def test_sizes_and_languages_are_those_of_the_start(tell: Command, tmp_path: Path, main: Command, folder: str) -> None:
    start = _translator(tmp_path, languages=("es", "ko", "pl", "en"))
    code, told = tell(f"init={start}", main=main, folder=folder)
    assert (code, told.splitlines()[-1]) == (0, "the run can start")
    assert f"{start}: 2 + 3 layers of width 24, languages es,ko,pl,en: taken from it" in told
    run = read_config(TrainingRun, "unit2unit/finetune", ["data_dir=d", "run_dir=r", f"init={start}"])
    followed = follow_start(run, read_translator_start(run), frozenset())
    config = fairseq_config(check_device(followed))
    assert config.task.langs == "es,ko,pl,en"
    assert (config.model.encoder_layers, config.model.decoder_layers) == (2, 3)
    assert (config.model.decoder_ffn_embed_dim, config.model.encoder_attention_heads) == (56, 3)


def test_a_pair_without_a_tag(tell: Command) -> None:
    code, told = tell("fairseq.task.langs=[en,es]")
    assert code == 2
    assert "found ko" in told
    code, told = tell("fairseq.task.langs=[en,ko]", main=pretrain, folder="tables")
    assert code == 2
    assert "no tag in langs" in told


def test_a_network_of_another_size(tell: Command, tmp_path: Path) -> None:
    code, told = tell(f"init={_translator(tmp_path)}", *_SIZES[:-1], "fairseq.model.decoder_ffn_embed_dim=64")
    assert code == 2
    assert "decoder_ffn_embed_dim=56" in told


def test_units_of_another_quantizer(tell: Command, tmp_path: Path) -> None:
    start = f"init={_translator(tmp_path, vocabulary=_OTHER)}"
    code, told = tell(start, *_SIZES)
    assert code == 2
    assert (_SHA in told, _OTHER in told) == (True, True)
    assert "allow_other_vocabulary=true" in told
    code, told = tell(start, *_SIZES, "allow_other_vocabulary=true")
    assert code == 0
    assert "training all the same" in told
    assert tell(f"units_vocabulary={_OTHER}")[0] == 2


def test_half_precision_and_several_processes_need_a_gpu(tell: Command) -> None:
    if torch.cuda.is_available():
        assert tell("fairseq.common.fp16=true", "fairseq.common.cpu=false")[0] == 0
        return
    code, told = tell("fairseq.common.fp16=true", "fairseq.common.cpu=false")
    assert code == 0
    assert "half precision (fp16) needs a GPU: training in float32 on the CPU" in told
    assert tell("fairseq.distributed_training.distributed_world_size=2")[0] == 2
    assert tell("fairseq.common.bf16=true")[0] == 2


def test_a_start_that_fairseq_cannot_read(tell: Command, tmp_path: Path) -> None:
    own = write_tiny(tmp_path / "own.safetensors", 0, tiny_config(NUM_UNITS, languages=("en", "es", "ko")))
    code, told = tell(f"init={own}", *_SIZES)
    assert code == 2
    assert "OUT.pt --language" in told
    assert add_language([str(own), str(tmp_path / "as.pt"), "--language"]) == 0
    assert tell(f"init={tmp_path / 'as.pt'}", *_SIZES)[0] == 0
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 no more")
    assert tell(f"init={tmp_path / 'broken.pt'}")[0] == 2
    assert tell(f"init={tmp_path / 'none.pt'}")[0] == 2


def test_options_that_fairseq_does_not_know(tell: Command) -> None:
    code, told = tell("fairseq.dataset.max_tokenz=3")
    assert code == 2
    assert "max_tokens" in told
    code, told = tell("fairseq.optimizer.optimizer=adamm")
    assert code == 2
    assert "adamm" in told
    code, told = tell("fairseq.dataset.max_tokens=many")
    assert code == 2
    assert "max-tokens" in told
    code, told = tell("fairseq.checkpoint.save_dir=elsewhere")
    assert code == 2
    assert "save_dir" in told
    code, told = tell("fairseq.model.encoder_normalize_before=false")
    assert code == 2
    assert "encoder_normalize_before" in told
    assert tell("fairseq.dataset.lr=[1]")[0] == 2
    if find_spec("wandb") is None:
        assert "fairseq.common.wandb_project asks for Weights & Biases" in tell("fairseq.common.wandb_project=mine")[1]
    code, told = tell("generation.beams=3")
    assert code == 2
    assert "beams" in told


def test_options_work_in_fairseqs_own_sections(tell: Command) -> None:
    def settled(*settings: str) -> TrainingRun:
        run = read_config(TrainingRun, "unit2unit/finetune_debug", ["data_dir=d", "run_dir=r", *settings])
        return in_one_section(run, stated_settings(settings))

    run = settled("fairseq.optimization.max_update=7", "fairseq.lr_scheduler.warmup_updates=3", "fairseq.model.dropout=0.2")
    assert (run.option("max_update"), run.option("warmup_updates"), run.option("dropout")) == (7, 3, 0.2)
    assert settled("fairseq.optimizer.max_update=8", "fairseq.regularization.dropout=0.3").option("max_update") == 8
    assert tell("fairseq.optimization.max_update=7", "fairseq.optimization.lr=[1.0e-3]")[0] == 0
    code, told = tell("fairseq.optimization.max_update=7", "fairseq.optimizer.max_update=8")
    assert code == 2
    assert "set twice" in told


def test_settings_that_are_not_ours(tell: Command) -> None:
    assert tell("no_such=1")[0] == 2
    assert tell("resume=maybe")[0] == 2
    assert finetune(["--config", "unit2unit/finetune_debug"]) == 2


def test_a_folder_with_a_run_is_not_taken_for_another(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = _translator(tmp_path)
    last = tmp_path / "run" / "checkpoints" / "checkpoint_last.pt"
    last.parent.mkdir(parents=True)
    start.rename(last)
    settings = [f"data_dir={data / 'pairs'}", f"run_dir={tmp_path / 'run'}", "check_only=true", *_SIZES]
    assert finetune(["--config", "unit2unit/finetune_debug", *settings, "resume=never"]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert finetune(["--config", "unit2unit/finetune_debug", *settings]) == 0
    last.write_bytes(last.read_bytes()[:1000])
    assert finetune(["--config", "unit2unit/finetune_debug", *settings]) == 2
    told = capsys.readouterr().err
    assert str(last) in told
    assert "choose another run_dir" in told


def test_missing_unit_files_and_bad_ones(data: Path, tell: Command) -> None:
    gone = sorted((data / "tables" / "units" / "ko").iterdir())[5]
    content = gone.read_text()
    gone.unlink()
    code, told = tell(main=pretrain, folder="tables")
    gone.write_text(content)
    assert code == 2
    assert str(gone) in told
    dictionary = data / "tables" / "dict.txt"
    content = dictionary.read_text()
    dictionary.write_text("".join(f"{unit} 1\n" for unit in range(5)))
    code, told = tell(main=pretrain, folder="tables")
    dictionary.write_text(content)
    assert code == 2
    assert "out of range" in told


def test_a_dictionary_lists_units_in_order(tmp_path: Path, parity_dir: Path) -> None:
    assert dictionary_size(parity_dir / "dict.txt") == 1000
    (tmp_path / "dict.txt").write_text("0 1\n2 1\n")
    with pytest.raises(Exception, match=r"dict\.txt:2.*expected 1 1"):
        dictionary_size(tmp_path / "dict.txt")


@pytest.mark.parametrize("name", ["finetune", "finetune_debug", "pretrain", "pretrain_debug"])
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


def test_a_missing_fairseq_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "fairseq":
            raise ModuleNotFoundError("No module named 'fairseq'")
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="make fairseq"):
        require_fairseq()


def test_inference_needs_no_fairseq() -> None:
    import subprocess

    code = "import sys; sys.modules['fairseq'] = None; import unit2unit.inference, unit2unit.utut_finetune.add_language"
    subprocess.run([sys.executable, "-c", code], check=True)
