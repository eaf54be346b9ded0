"""What targets say, as a second target of a unit translator: pairs that bring their text, and a decoder that writes it by letters.

Lee et al. 2022, "Direct speech-to-speech translation with discrete units", multitask learning: the decoder attends to the encoder,
which so learns what is said beside how it sounds. It is for training alone and lies in the criterion: the model, the keys of its
checkpoints and its exports are those of a training without it.
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
    """Return the letters of texts, a space always among them, behind fairseq's four marks."""
    letters = Dictionary()
    for letter in sorted({" "}.union(*texts)):
        letters.add_symbol(letter)
    return letters


class PairsWithText(BaseWrapperDataset):  # type: ignore[misc]
    """Pairs with the letters of what their targets say. texts: one for each pair, "" = not known."""

    def __init__(self, pairs: Any, texts: Sequence[str], letters: Dictionary) -> None:
        super().__init__(pairs)
        self._texts = texts
        self._letters = letters

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return the pair with "text", int64 [L]: letters and `</s>`; of two that are joined those of both."""
        sample: dict[str, Any] = self.dataset[index]
        parts = [self._texts[one] for one in (index, sample.get("behind")) if one is not None]
        text = " ".join(parts) if all(parts) else ""
        ids = [*map(self._letters.index, text), self._letters.eos()] if text else [self._letters.pad()]
        return {**sample, "text": torch.tensor(ids)}

    def collater(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """Return fairseq's batch with "text", int64 [B, L], padded on the right."""
        batch: dict[str, Any] = super().collater(samples)
        if batch:
            texts = {sample["id"]: sample["text"] for sample in samples}
            batch["text"] = collate_tokens([texts[one] for one in batch["id"].tolist()], self._letters.pad())
        return batch


def text_decoder(sizes: argparse.Namespace, letters: Dictionary) -> TransformerDecoder:
    """Return a decoder of one layer, as wide as those of the translator whose options are given."""
    options = argparse.Namespace(**vars(sizes) | {"decoder_layers": 1, "share_decoder_input_output_embed": True})
    return TransformerDecoder(options, letters, Embedding(len(letters), sizes.decoder_embed_dim, letters.pad()))


class WithText(FairseqCriterion):  # type: ignore[misc]
    """A criterion, and beside it `weight` times the text's mean loss for each unit of its own mean."""

    def __init__(self, units: FairseqCriterion, decoder: TransformerDecoder, weight: float) -> None:
        super().__init__(units.task)
        self.units = units
        self.decoder = decoder
        self._letters, self._weight = decoder.dictionary, weight

    def forward(self, model: Any, sample: dict[str, Any], reduce: bool = True) -> tuple[Tensor, int, dict[str, Any]]:
        """Return (loss, sample size, what is logged); the "loss" that is logged is that of the units alone."""
        with outputs_of(model.encoder) as encoded:
            loss, size, logged = self.units(model, sample, reduce)
        # The smoothed loss of the letters, a sum.
        text, padding = sample["text"], self._letters.pad()
        fed = torch.cat([torch.full_like(text[:, :1], self._letters.eos()), text[:, :-1]], 1)
        scores, _ = self.decoder(fed, encoder_out=encoded[0])
        log_probs = scores.float().log_softmax(-1)
        text_loss, _ = label_smoothed_nll_loss(log_probs, text, self.units.eps, ignore_index=padding)
        letters = int((text != padding).sum())
        logged |= {"text_loss": text_loss.data, "letters": letters}
        return loss + self._weight * size / max(letters, 1) * text_loss, size, logged

    def load_state_dict(self, state: Any, strict: bool = True, assign: bool = False) -> Any:
        """Take the weights of a checkpoint; where it has none for these letters, as one to start from, the decoder stays new."""
        own = self.state_dict()
        if not state or any(name not in state or state[name].shape != value.shape for name, value in own.items()):
            LOG.info("the checkpoint has no decoder for these letters: a new one begins")
            return None
        return super().load_state_dict(state, strict, assign)

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """They are sums."""
        return True


@contextmanager
def outputs_of(module: nn.Module) -> Iterator[list[Any]]:
    """Collect what a module returns while the block runs."""
    found: list[Any] = []
    hook = module.register_forward_hook(lambda _, __, output: found.append(output))
    try:
        yield found
    finally:
        hook.remove()


def log_text(logged: Sequence[dict[str, Any]]) -> None:
    """Hand the text's loss, in bits a letter as fairseq has its others, to fairseq's log."""
    total, letters = (sum(one.get(name, 0) for one in logged) for name in ("text_loss", "letters"))
    if letters > 0:
        metrics.log_scalar("text_loss", total / letters / math.log(2), letters, round=3)
