"""fairseq's task `translation_from_pretrained_bart`, repaired."""

import argparse
from typing import Any

from fairseq.sequence_generator import SequenceGenerator
from fairseq.tasks import TASK_REGISTRY, register_task
from fairseq.tasks import translation_from_pretrained_bart as released

from unit2unit.utut_common.autocast import NONE, AutocastSteps, add_autocast_option
from unit2unit.utut_common.muon import mark_layers
from unit2unit.utut_common.plain_attention import attend_plainly
from unit2unit.utut_common.repairs import keep_published_keys, rescale
from unit2unit.utut_finetune.data import NoisyPairs
from unit2unit.utut_finetune.noise import UnitNoise, add_noise_options
from unit2unit.vocabulary import TranslatorVocabulary

TASK = "translation_from_pretrained_bart"

# register_task keeps the first class of a name, so the released one makes room: commands and checkpoints keep the
# published name.
TASK_REGISTRY.pop(TASK)


@register_task(TASK)
class UnitTranslationTask(AutocastSteps, released.TranslationFromPretrainedBARTTask):  # type: ignore[misc]
    """Translation of one language pair with tags, ready for current fairseq.

    The released class never sets `self.args`, which all of its methods read; its search may produce other languages' tags
    and `<mask>`; and a run that is resumed does not go on as it was.
    """

    @staticmethod
    def add_args(parser: argparse.ArgumentParser) -> None:
        """Add the released options, `--units-vocabulary`, which is stored in the checkpoint, and those of precision and noise."""
        released.TranslationFromPretrainedBARTTask.add_args(parser)
        parser.add_argument("--units-vocabulary", default="", help="fingerprint of the quantizer that made the units")
        parser.add_argument("--init-std", type=float, default=0.0, help="deviation of new weights; 0 = fairseq's 0.02")
        add_autocast_option(parser)
        add_noise_options(parser)

    def __init__(self, args: argparse.Namespace, src_dict: Any, tgt_dict: Any) -> None:
        self.args = args
        # fairseq makes batches once, with a seed that depends on the epoch it was started in: a resumed run would go on
        # with others. Made for each epoch, they are the same.
        args.rebuild_batches = True
        self.autocast = getattr(args, "autocast", NONE)
        super().__init__(args, src_dict, tgt_dict)

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Return the model, whose checkpoints hold the published keys."""
        model = attend_plainly(mark_layers(keep_published_keys(super().build_model(cfg, from_checkpoint))))
        rescale(model, getattr(self.args, "init_std", 0.0))
        return model

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **options: Any) -> None:
        """Load a split; only the training split is noisy."""
        super().load_dataset(split, epoch, combine, **options)
        noise = UnitNoise.of(vars(self.args))
        if noise.is_any and split == self.args.train_subset:
            num_units = TranslatorVocabulary.from_rows(len(self.src_dict), self.langs).num_units
            most = self.args.max_source_positions, self.args.max_target_positions
            self.datasets[split] = NoisyPairs(self.datasets[split], noise, num_units, *most, self.args.seed)

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
