"""The text of targets as a second target of a unit translator: pairs with text, and a decoder that predicts its letters.

This is the multitask learning of Lee et al. 2022, "Direct speech-to-speech translation with discrete units". The decoder attends to
the encoder, which so learns the words beside the sounds. It is used in training only and belongs to the criterion: the model, the
keys of its checkpoints and its exports are the same as without it.
"""

import argparse
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from fairseq.criterions import FairseqCriterion
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from fairseq.data import BaseWrapperDataset, Dictionary
from fairseq.data.data_utils import collate_tokens
from fairseq.logging import metrics
from fairseq.models.transformer import Embedding, TransformerDecoder
from torch import Tensor, nn

LOG = logging.getLogger("netflips.train")


def letters_of(texts: Iterable[str]) -> Dictionary:
    """Return the letters of texts, always with a space, after fairseq's four marks."""
    letters = Dictionary()
    for letter in sorted({" "}.union(*texts)):
        letters.add_symbol(letter)
    return letters


class PairsWithText(BaseWrapperDataset):  # type: ignore[misc]
    """Pairs with the letters of their targets' texts. texts: one for each pair, "" = unknown."""

    def __init__(self, pairs: Any, texts: Sequence[str], letters: Dictionary) -> None:
        super().__init__(pairs)
        self._texts = texts
        self._letters = letters

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return the pair with "text", int64 [L]: letters and `</s>`; of joined pairs those of both."""
        sample: dict[str, Any] = self.dataset[index]
        parts = [self._texts[one] for one in (index, sample.get("behind")) if one is not None]
        # The text of one half would be wrong for a joined pair.
        text = " ".join(parts) if all(parts) else ""
        ids = [*map(self._letters.index, text), self._letters.eos()] if text else [self._letters.pad()]
        return {**sample, "text": torch.tensor(ids)}

    def collater(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """Return fairseq's batch with "text", int64 [B, L], padded on the right."""
        batch: dict[str, Any] = super().collater(samples)
        if batch:
            # fairseq sorts the samples of a batch by length, so texts are found by id.
            texts = {sample["id"]: sample["text"] for sample in samples}
            batch["text"] = collate_tokens([texts[one] for one in batch["id"].tolist()], self._letters.pad())
        return batch


def text_decoder(sizes: argparse.Namespace, letters: Dictionary) -> TransformerDecoder:
    """Return a decoder of one layer, as wide as the translator with these options."""
    options = argparse.Namespace(**vars(sizes) | {"decoder_layers": 1, "share_decoder_input_output_embed": True})
    return TransformerDecoder(options, letters, Embedding(len(letters), sizes.decoder_embed_dim, letters.pad()))


class WithText(FairseqCriterion):  # type: ignore[misc]
    """A criterion plus the loss of the text: its mean over letters is added to the criterion's mean, times `weight`."""

    def __init__(self, units: FairseqCriterion, decoder: TransformerDecoder, weight: float) -> None:
        super().__init__(units.task)
        self.units = units
        self.decoder = decoder
        self._letters, self._weight = decoder.dictionary, weight

    def forward(self, model: Any, sample: dict[str, Any], reduce: bool = True) -> tuple[Tensor, int, dict[str, Any]]:
        """Return loss, sample size and logging output, where "loss" is that of the units alone."""
        with outputs_of(model.encoder) as encoded:
            loss, size, logged = self.units(model, sample, reduce)

        # The smoothed loss of the letters, a sum.
        text, padding = sample["text"], self._letters.pad()
        # fairseq's decoders begin with `</s>`.
        fed = torch.cat([torch.full_like(text[:, :1], self._letters.eos()), text[:, :-1]], 1)

        scores, _ = self.decoder(fed, encoder_out=encoded[0])
        log_probs = scores.float().log_softmax(-1)
        text_loss, _ = label_smoothed_nll_loss(log_probs, text, self.units.eps, ignore_index=padding)
        letters = int((text != padding).sum())
        logged |= {"text_loss": text_loss.data, "letters": letters}
        # fairseq divides the sum by `size` later, so the mean over letters is multiplied by it here.
        return loss + self._weight * size / max(letters, 1) * text_loss, size, logged

    def load_state_dict(self, state: Any, strict: bool = True, assign: bool = False) -> Any:
        """Load the weights of a checkpoint. Where it has none for these letters, like one to start from, the decoder stays
        fresh."""
        own = self.state_dict()
        if not state or any(name not in state or state[name].shape != value.shape for name, value in own.items()):
            LOG.info("the checkpoint has no decoder for these letters: a new one begins")
            return None
        return super().load_state_dict(state, strict, assign)

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """Return True: they are sums."""
        return True


@contextmanager
def outputs_of(module: nn.Module) -> Iterator[list[Any]]:
    """Collect the outputs of a module while the block runs."""
    found: list[Any] = []
    hook = module.register_forward_hook(lambda _, __, output: found.append(output))
    try:
        yield found
    finally:
        hook.remove()


def log_text(logged: Sequence[dict[str, Any]]) -> None:
    """Add the text's loss to fairseq's log, in bits a letter, as fairseq logs its own losses."""
    total, letters = (sum(one.get(name, 0) for one in logged) for name in ("text_loss", "letters"))
    if letters > 0:
        metrics.log_scalar("text_loss", total / letters / math.log(2), letters, round=3)
