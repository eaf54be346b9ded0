"""Small runs of the text-to-unit model's trainer."""

from pathlib import Path

from avcore.train.entry import read_config
from recipes.made.babble import BabbleCorpus
from text2unit.train import main
from text2unit.training.config import TextToUnitTrainConfig


def words(corpus: BabbleCorpus, run_dir: Path, *overrides: str, config: str = "train_debug") -> list[str]:
    data = [f"data.train={corpus.manifest}", f"data.units={corpus.units}", f"run_dir={run_dir}"]
    return ["--config-name", f"text2unit/{config}", *data, *overrides]


def config_of(corpus: BabbleCorpus, run_dir: Path, *overrides: str, config: str = "train_debug") -> TextToUnitTrainConfig:
    return read_config(TextToUnitTrainConfig, f"text2unit/{config}", words(corpus, run_dir, *overrides)[2:])


def export(run_dir: Path, out: Path, *more: str) -> int:
    return main(["export", "--checkpoint", str(run_dir / "checkpoints" / "best.pt"), "--out-path", str(out), *more])
