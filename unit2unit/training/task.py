"""Tasks for fairseq: `utut_pretraining`, from units of any language to any, and a repaired `translation_from_pretrained_bart`.

Both train the published network. This module has its architecture, the keys of its checkpoints, its initialisation and attention.
"""

import argparse
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, wraps
from pathlib import Path
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.dataclass import FairseqDataclass
from fairseq.models import register_model_architecture
from fairseq.models.bart.model import mbart_large_architecture
from fairseq.modules import MultiheadAttention, SinusoidalPositionalEmbedding
from fairseq.sequence_generator import SequenceGenerator
from fairseq.tasks import TASK_REGISTRY, FairseqTask, register_task
from fairseq.tasks import translation_from_pretrained_bart as released
from fairseq.utils import move_to_cuda
from omegaconf import II
from torch import Tensor, nn

from avcore.compute.inference import has_quick_bfloat16
from avcore.data.published.utut import read_samples
from unit2unit.model import NETWORK_OPTIONS, NUM_SPECIALS, TranslatorVocabulary
from unit2unit.training.config import AUTO, AUTOCAST, NONE
from unit2unit.training.corpus import read_length_tags, read_transcripts
from unit2unit.training.items import NoisyPairs, PartOfPairs, TaggedSources, UnitPairDataset
from unit2unit.training.noise import SpanNoise, UnitNoise, add_noise_options
from unit2unit.training.optim import mark_layers
from unit2unit.training.text_target import PairsWithText, WithText, letters_of, log_text, text_decoder
from unit2unit.training.validation import Translations, part_of

ARCHITECTURE = "utut_large"
_BERT_STD = 0.02

_PUBLISHED = {
    **NETWORK_OPTIONS,
    "share_decoder_input_output_embed": True,
    "attention_dropout": 0.1,
}
"""Options of the published checkpoint that differ from fairseq's mbart_large (12 + 12 layers, 1024, 4096, 16 heads)."""
LOG = logging.getLogger(__name__)
PRETRAINING, TRANSLATION = "utut_pretraining", "translation_from_pretrained_bart"
_MERGED_HELP = "no unit follows itself in the data, nor in a search with the model"
_LENGTHS_HELP = "sources begin with how long their translations are, by durations; a search with the model tries all lengths"
_AUTOCAST_HELP = (
    f"number format of matrix products, {', '.join(AUTOCAST)} (bfloat16 on devices that multiply it in hardware); "
    "the weights stay float32"
)
_VALID_PAIRS_HELP = "pairs of the split that a validation looks at, 0 = all"
_TEXT_HELP = "weight of what targets say as a second target, which needs a folder of prepare_pairs --texts; 0 = none"
_BLEU_INTERVAL_HELP = "updates between validations that translate, 0 = all do; the first and the last always do"


@register_model_architecture("bart", ARCHITECTURE)  # type: ignore[untyped-decorator]
def utut_large(args: argparse.Namespace) -> None:
    """Fill in options that are not set: sizes of mbart_large, sinusoidal positions, norms before each block."""
    for name, value in _PUBLISHED.items():
        if not hasattr(args, name):
            setattr(args, name, value)
    mbart_large_architecture(args)


def complete(model: nn.Module) -> nn.Module:
    """Prepare a fairseq model for our trainings: published keys, layers marked for Muon, fast attention."""
    return attend_plainly(mark_layers(keep_published_keys(model)))


def keep_published_keys(model: nn.Module) -> nn.Module:
    """Add two entries to a model's state dict that fairseq has dropped and older releases require; returns the model."""
    for module in model.modules():
        if isinstance(module, SinusoidalPositionalEmbedding):
            module.register_state_dict_post_hook(_add_float_tensor)
    return model


def _add_float_tensor(_: nn.Module, state: dict[str, Tensor], prefix: str, __: object) -> None:
    state[f"{prefix}_float_tensor"] = torch.zeros(1)


def rescale(model: nn.Module, std: float) -> None:
    """Rescale a new model's weight matrices to another standard deviation; 0 leaves them as they are.

    fairseq draws them with BERT's 0.02 at any width. In a narrow network the embeddings, times sqrt(width), are then small beside
    the positions, and the decoder learns late to attend to the source.
    """
    if std > 0:
        with torch.no_grad():
            for weight in model.parameters():  # a shared table counts once
                if weight.dim() > 1:
                    weight.mul_(std / _BERT_STD)


def attend_plainly(model: nn.Module) -> nn.Module:
    """Make a model's attention return its weights during training on a CPU, so that torch uses plain products. Returns the model.

    The backward pass of torch's fused kernel is slower there: 31 steps of 32 sentences, forward and backward at width 192 in
    bfloat16, take 17 ms with it and 11 ms without. Results differ by rounding; memory holds length x length weights for each head.
    """
    for module in model.modules():
        if isinstance(module, MultiheadAttention):
            module.register_forward_pre_hook(_ask_for_weights, with_kwargs=True)
    return model


def _ask_for_weights(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    is_slow = module.training and next(module.parameters()).device.type == "cpu"
    return args, {**kwargs, "need_weights": True} if is_slow else kwargs


# register_task keeps the first class of a name, so the released one is removed: commands and checkpoints keep its name.
TASK_REGISTRY.pop(TRANSLATION)


def autocast(name: str, device: str) -> AbstractContextManager[Any]:
    """Return the context in which matrix products use a number format (see AUTOCAST)."""
    is_plain = name == NONE or (name == AUTO and not has_quick_bfloat16(torch.device(device)))
    return nullcontext() if is_plain else torch.autocast(device, dtype=torch.bfloat16)


class AutocastSteps:
    """Mix-in for a fairseq task: the loss of each step is computed in the number format `autocast`.

    Gradients have the format of each product; the optimizer gets float32.
    """

    autocast = NONE

    def train_step(self, sample: Any, model: Any, criterion: Any, *args: Any, **options: Any) -> Any:
        """Run forward and backward; returns loss, sample size and logging output."""
        return super().train_step(sample, model, self._cast(criterion), *args, **options)  # type: ignore[misc]

    def valid_step(self, sample: Any, model: Any, criterion: Any, **options: Any) -> Any:
        """Run forward; returns loss, sample size and logging output."""
        return super().valid_step(sample, model, self._cast(criterion), **options)  # type: ignore[misc]

    def _cast(self, criterion: Any) -> Callable[..., Any]:
        @wraps(criterion.forward)
        def loss_of(model: Any, sample: Any, *args: Any, **options: Any) -> Any:
            with autocast(self.autocast, sample["target"].device.type):
                return criterion(model, sample, *args, **options)

        return loss_of


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
    merged_units: bool = field(default=False, metadata={"help": _MERGED_HELP})
    length_tags: bool = field(default=False, metadata={"help": _LENGTHS_HELP})
    autocast: str = field(default=NONE, metadata={"help": _AUTOCAST_HELP})
    valid_pairs: int = field(default=0, metadata={"help": _VALID_PAIRS_HELP})
    seed: int = II("common.seed")
    train_subset: str = II("dataset.train_subset")
    valid_subset: str = II("dataset.valid_subset")


@register_task(PRETRAINING, dataclass=UtutPretrainingConfig)
class UtutPretrainingTask(AutocastSteps, FairseqTask):  # type: ignore[misc]
    """Many-to-many unit translation (pairs of two languages) and denoising (pairs of one language)."""

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
        """Read the dictionary of units and make the task."""
        return cls(cfg, Dictionary.load(str(Path(cfg.data) / "dict.txt")))

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Return the model, whose checkpoints hold the published keys."""
        return complete(super().build_model(cfg, from_checkpoint))

    def load_dataset(self, split: str, **_: Any) -> None:
        """Load a split. Only the training split gets noise and is sampled by language pair."""
        samples, left_out = read_samples(Path(self.cfg.data), split)
        if left_out:
            LOG.warning("%s: %d samples left out for their length", split, left_out)
        is_train = split == self.cfg.train_subset

        noise = None
        alpha = 1.0
        if is_train:
            cfg, rows = self.cfg, self.vocabulary
            noise = SpanNoise(cfg.mask, cfg.poisson_lambda, cfg.mask_random, rows.mask, rows.num_rows)
            alpha = cfg.multilang_sampling_alpha

        dataset = UnitPairDataset(samples, self.vocabulary, noise, alpha, self.cfg.seed, self.cfg.length_tags)
        chosen = part_of(len(dataset), self.cfg.valid_pairs, self.cfg.seed)
        self.datasets[split] = dataset if is_train else PartOfPairs(dataset, chosen)

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


@register_task(TRANSLATION)
class UnitTranslationTask(AutocastSteps, released.TranslationFromPretrainedBARTTask):  # type: ignore[misc]
    """Translation of one language pair with tags, for current fairseq.

    The released class never sets `self.args`, which all of its methods read; its search may produce other languages' tags and
    `<mask>`; and a resumed run does not continue with the same batches.
    """

    @staticmethod
    def add_args(parser: argparse.ArgumentParser) -> None:
        """Add the released options, those about units that checkpoints store, and those of precision, validation and noise."""
        released.TranslationFromPretrainedBARTTask.add_args(parser)
        parser.add_argument("--units-vocabulary", default="", help="fingerprint of the quantizer that made the units")
        parser.add_argument("--merged-units", action="store_true", help=_MERGED_HELP)
        parser.add_argument("--length-tags", action="store_true", help=_LENGTHS_HELP)
        parser.add_argument("--init-std", type=float, default=0.0, help="deviation of new weights; 0 = fairseq's 0.02")
        parser.add_argument("--autocast", default=NONE, metavar="FORMAT", help=_AUTOCAST_HELP)
        parser.add_argument("--valid-pairs", type=int, default=0, metavar="N", help=_VALID_PAIRS_HELP)
        parser.add_argument("--bleu-pairs", type=int, default=0, metavar="N", help="of them, pairs that are translated, 0 = all")
        parser.add_argument("--bleu-interval-updates", type=int, default=0, metavar="N", help=_BLEU_INTERVAL_HELP)
        parser.add_argument("--text-weight", type=float, default=0.0, metavar="X", help=_TEXT_HELP)
        add_noise_options(parser)

    def __init__(self, args: argparse.Namespace, src_dict: Any, tgt_dict: Any) -> None:
        self.args = args
        # fairseq makes batches once, with a seed that depends on the epoch in which it was started, so a resumed run would get
        # other batches. Made anew for each epoch, they are the same.
        args.rebuild_batches = True
        self.autocast = getattr(args, "autocast", NONE)
        self._translated: dict[str, PartOfPairs] = {}
        self._text_weight = getattr(args, "text_weight", 0.0)
        super().__init__(args, src_dict, tgt_dict)

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Return the model, whose checkpoints hold the published keys."""
        model = complete(super().build_model(cfg, from_checkpoint))
        rescale(model, getattr(self.args, "init_std", 0.0))
        self._sizes = cfg
        return model

    def build_criterion(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Return the criterion, joined with that of the text if text is a second target."""
        criterion = super().build_criterion(cfg, from_checkpoint)
        if self._text_weight <= 0:
            return criterion
        decoder = text_decoder(self._sizes, self._letters)
        attend_plainly(mark_layers(decoder))
        return WithText(criterion, decoder, self._text_weight)

    @cached_property
    def _letters(self) -> Dictionary:
        return letters_of(read_transcripts(Path(self.args.data), self.args.train_subset))

    def reduce_metrics(self, logging_outputs: Any, criterion: Any) -> None:
        """Log the figures of several batches, as fairseq does, and the loss of the text."""
        super().reduce_metrics(logging_outputs, getattr(criterion, "units", criterion))
        log_text(logging_outputs)

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **options: Any) -> None:
        """Load a split. Only the training split gets noise; of others a part may be used."""
        super().load_dataset(split, epoch, combine, **options)
        if getattr(self.args, "length_tags", False):
            pairs = self.datasets[split]
            pairs.src = TaggedSources(pairs.src, read_length_tags(Path(self.args.data), split))

        if split != self.args.train_subset:
            chosen = part_of(len(self.datasets[split]), getattr(self.args, "valid_pairs", 0), self.args.seed)
            spoken = chosen[part_of(len(chosen), getattr(self.args, "bleu_pairs", 0), self.args.seed)]
            self._translated[split] = PartOfPairs(self.datasets[split], spoken)
            self.datasets[split] = PartOfPairs(self.datasets[split], chosen)

        noise = UnitNoise.of(vars(self.args))
        if noise.is_any and split == self.args.train_subset:
            num_units = TranslatorVocabulary.from_rows(len(self.src_dict), self.langs).num_units
            most = self.args.max_source_positions, self.args.max_target_positions
            self.datasets[split] = NoisyPairs(self.datasets[split], noise, num_units, *most, self.args.seed)

        if self._text_weight > 0:
            texts = read_transcripts(Path(self.args.data), split)
            self.datasets[split] = PairsWithText(self.datasets[split], texts, self._letters)

    def valid_step(self, sample: Any, model: Any, criterion: Any, **_: Any) -> Any:
        """Forward alone: what is translated forms batches of its own (see `translated`)."""
        return FairseqTask.valid_step(self, sample, model, self._cast(criterion))

    def translated(self, split: str, trainer: Any, look: Callable[[], None]) -> Translations:
        """Translate this process's share of the pairs of a split that are to be translated, and count errors.

        look: called before each batch.
        """
        options = trainer.cfg.dataset
        batches = self.get_batch_iterator(
            self._translated[split],
            max_tokens=options.max_tokens_valid,
            max_sentences=options.batch_size_valid,
            max_positions=self.max_positions(),
            ignore_invalid_inputs=True,
            seed=self.args.seed,
            num_shards=trainer.data_parallel_world_size,
            shard_id=trainer.data_parallel_rank,
        ).next_epoch_itr(shuffle=False, set_dataset_epoch=False)

        vocabulary = TranslatorVocabulary.from_rows(len(self.tgt_dict), self.langs)
        model, counted = trainer.get_model().eval(), Translations()

        for batch in batches:  # each process has the same number, some without a pair
            look()
            if not batch:
                continue
            sample = move_to_cuda(batch, trainer.device) if trainer.cuda else batch
            counted.add_losses(*self._losses_of_targets(model, sample))
            found = self.inference_step(self.sequence_generator, [model], sample)
            translations = [best[0]["tokens"].cpu().numpy() for best in found]
            counted.add(translations, list(sample["target"].cpu().numpy()), vocabulary)

        return counted

    @torch.no_grad()
    def _losses_of_targets(self, model: Any, sample: Any) -> tuple[Tensor, Tensor, int]:
        """Return the sums of a batch's negative log likelihoods with the right sources and with swapped ones, each of shape [], and
        the number of target tokens; zeros for a batch of one pair."""
        given, target = sample["net_input"], sample["target"]
        sums = [torch.zeros((), device=target.device)] * 2
        if len(target) == 1:
            return sums[0], sums[1], 0

        for number, shift in enumerate((0, 1)):
            sources = {name: given[name].roll(shift, 0) for name in ("src_tokens", "src_lengths")}
            with autocast(self.autocast, target.device.type):
                log_probs = model.get_normalized_probs(model(**{**given, **sources}), log_probs=True).float()
            losses = -log_probs.gather(-1, target[..., None])[..., 0]
            sums[number] = losses[target != self.tgt_dict.pad()].sum()
        return sums[0], sums[1], int((target != self.tgt_dict.pad()).sum())

    def build_generator(self, models: list[Any], args: argparse.Namespace, **_: Any) -> Any:
        """Return a beam search that ends on the target's tag and produces neither other tags nor `<mask>`."""
        if getattr(args, "score_reference", False):
            return super().build_generator(models, args)

        target = self.args.target_lang
        return SequenceGenerator(
            models,
            self.target_dictionary,
            beam_size=getattr(args, "beam", 5),
            max_len_a=getattr(args, "max_len_a", 0),
            max_len_b=getattr(args, "max_len_b", 200),
            min_len=getattr(args, "min_len", 1),
            normalize_scores=not getattr(args, "unnormalized", False),
            len_penalty=getattr(args, "lenpen", 1),
            unk_penalty=getattr(args, "unkpen", 0),
            temperature=getattr(args, "temperature", 1.0),
            eos=self.tgt_dict.index(f"[{target}]"),
            tokens_to_suppress=[f"[{language}]" for language in self.langs if language != target] + ["<mask>"],
        )
