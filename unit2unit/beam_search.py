"""Beam search of the translator: each source is encoded once, by itself, so that its numbers do not depend on its neighbours."""

from collections.abc import Callable, Sequence

import torch

from avcore.decoding import beam_search
from avcore.decoding.beam import Hypothesis, Rules
from avcore.decoding.beam_search import Sources, join_sources
from avcore.decoding.settings import SearchConfig
from avcore.units import Ids
from unit2unit.model import UnitTransformer


@torch.inference_mode()
def search(
    model: UnitTransformer,
    sources: Sequence[Ids],
    config: SearchConfig,
    rules: Sequence[Rules],
    report: Callable[[int], None] | None = None,
) -> list[list[Hypothesis]]:
    """Translate token sequences side by side.

    sources: int64 [S] each, as the encoder reads them. rules: one a source; a target begins with its end tag. Returns
    each source's hypotheses, best first; none where the network gives no finite scores. report: called with the steps done.
    """
    return beam_search.search(model.decoder, encode(model, sources), config, rules, report)


def encode(model: UnitTransformer, sources: Sequence[Ids]) -> Sources:
    """What the decoder looks at: of int64 [S] each, as the encoder reads them."""
    device = next(model.parameters()).device
    return join_sources(model.decoder, [model.encoder(torch.from_numpy(source)[None].to(device))[0] for source in sources])
