"""fairseq's task `utut_pretraining`: units of any language to units of any language, from noisy sources."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairseq.data import Dictionary
from fairseq.dataclass import FairseqDataclass
from fairseq.tasks import FairseqTask, register_task
from omegaconf import II

from avdata.published.utut import read_samples
from unit2unit.utut_common.autocast import HELP, NONE, AutocastSteps
from unit2unit.utut_common.muon import mark_layers
from unit2unit.utut_common.plain_attention import attend_plainly
from unit2unit.utut_common.repairs import keep_published_keys
from unit2unit.utut_pretrain.data import UnitPairDataset
from unit2unit.utut_pretrain.masking import SpanNoise
from unit2unit.vocabulary import NUM_SPECIALS, TranslatorVocabulary

LOG = logging.getLogger(__name__)
TASK = "utut_pretraining"


@dataclass
class UtutPretrainingConfig(FairseqDataclass):  # type: ignore[misc]
    """Options of the task, under their published names."""

    data: str = field(default="???", metadata={"help": "folder with dict.txt and <split>/lang_pairs.txt"})
    langs: str = field(default="", metadata={"help": "language tags in the order of their rows, with commas between"})
    mask: float = field(default=0.3, metadata={"help": "share of source tokens to hide"})
    mask_random: float = field(default=0.1, metadata={"help": "share of the spans replaced by random tokens"})
    poisson_lambda: float = field(default=10.0, metadata={"help": "mean length of a hidden span"})
    multilang_sampling_alpha: float = field(default=0.7, metadata={"help": "pairs are drawn by n ** alpha; 1 = as they are"})
    max_source_positions: int = field(default=1024, metadata={"help": "most tokens of a source"})
    max_target_positions: int = field(default=1024, metadata={"help": "most tokens of a target"})
    units_vocabulary: str = field(default="", metadata={"help": "fingerprint of the quantizer that made the units"})
    autocast: str = field(default=NONE, metadata={"help": HELP})
    seed: int = II("common.seed")
    train_subset: str = II("dataset.train_subset")
    valid_subset: str = II("dataset.valid_subset")


@register_task(TASK, dataclass=UtutPretrainingConfig)
class UtutPretrainingTask(AutocastSteps, FairseqTask):  # type: ignore[misc]
    """Many-to-many unit translation (pairs of two languages) and denoising (pairs of one)."""

    def __init__(self, cfg: UtutPretrainingConfig, dictionary: Any) -> None:
        super().__init__(cfg)
        self.autocast = cfg.autocast
        num_units = len(dictionary) - NUM_SPECIALS
        self.vocabulary = TranslatorVocabulary(num_units, tuple(cfg.langs.split(",")))
        for language in self.vocabulary.languages:
            dictionary.add_symbol(f"[{language}]")
        dictionary.add_symbol("<mask>")
        self.dictionary = dictionary

    @classmethod
    def setup_task(cls, cfg: UtutPretrainingConfig, **_: Any) -> "UtutPretrainingTask":
        """Read the units' dictionary."""
        return cls(cfg, Dictionary.load(str(Path(cfg.data) / "dict.txt")))

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Return the model, whose checkpoints hold the published keys."""
        return attend_plainly(mark_layers(keep_published_keys(super().build_model(cfg, from_checkpoint))))

    def load_dataset(self, split: str, **_: Any) -> None:
        """Load a split; only the training split is noisy and drawn by language pair."""
        samples, left_out = read_samples(Path(self.cfg.data), split)
        if left_out:
            LOG.warning("%s: %d samples left out for their length", split, left_out)
        is_train = split == self.cfg.train_subset
        noise = self._noise() if is_train else None
        alpha = self.cfg.multilang_sampling_alpha if is_train else 1.0
        self.datasets[split] = UnitPairDataset(samples, self.vocabulary, noise, alpha, self.cfg.seed)

    @property
    def source_dictionary(self) -> Any:
        """Marks, units, tags and `<mask>`."""
        return self.dictionary

    @property
    def target_dictionary(self) -> Any:
        """The same as the source's."""
        return self.dictionary

    def max_positions(self) -> tuple[int, int]:
        """Most tokens of source and target."""
        return self.cfg.max_source_positions, self.cfg.max_target_positions

    def _noise(self) -> SpanNoise:
        cfg = self.cfg
        return SpanNoise(cfg.mask, cfg.poisson_lambda, cfg.mask_random, self.vocabulary.mask, self.vocabulary.num_rows)
