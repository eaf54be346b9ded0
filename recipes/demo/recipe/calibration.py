"""Find the bounds of a bundle's domain, from scores of held-out speech of the phrasebook and of other speech.

Needs espeak-ng (pip install espeakng-loader), and uses natural voices too where they are installed (`make voices`). The speech is
sound only, half of it with noise: lips raise the confidence of the models, so the bounds hold with lips too.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from av2unit.known_sentences import KNOWN_KEY as KNOWN
from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import Bundle
from avcore.checkpoints.checkpoint import read_checkpoint, rewrite_config
from avcore.checkpoints.stages import Stage
from avcore.domain import KEY, Domain
from avcore.errors import InputError
from avcore.progress import Progress
from netflips.bundles.describe import check_bundle, write_about
from recipes.demo.recipe.probes import NATURAL, READINGS, ProbedModels, Scores, kinds_here, one_word_sentences, outside_sentences
from recipes.demo.voices.cast import held_out_pairs, require_synthesisers
from recipes.demo.voices.phrasebook import phrasebook
from unit2unit.stage import TRANSLATOR

LOG = logging.getLogger("netflips")

_NAMES = {UNIT_ENCODER: "unit_confidence", TRANSLATOR: "translation_score"}
_HALVINGS = 30
"""Steps of the bisection for the share of each bound."""
_WHAT = "a sentence of the demo's phrasebook"


def calibrate_bundle(folder: str | Path, count: int, seed: int, share: float, progress: Progress) -> Bundle:
    """Store bounds of confidence with a bundle's models: `share` of held-out speech of its domain falls below any of them.

    Only speech that comes out right counts, since a warning is due for the rest. The encoder also gets its units of the
    phrasebook's sentences in the reference voice, to measure how far an utterance is from all of them. count: held-out utterances,
    in voices that are not in the training, in equal numbers of each installed kind. How often speech inside and outside the domain
    falls below the bounds is written into bundle.json, under `out_of_domain`. Raises InputError where espeak-ng is missing or
    nothing comes out right, CheckpointError for a damaged bundle.
    """
    require_synthesisers(with_flite=False, with_natural=False)
    bundle, kinds = check_bundle(folder), kinds_here()
    if NATURAL not in kinds:
        LOG.warning("the natural voices are not installed (make voices): the bounds are found on espeak-ng's alone")

    rng = np.random.default_rng([seed, 11])
    pairs = held_out_pairs()
    known = [pairs[number].english for number in rng.integers(len(pairs), size=count)]
    listener = ProbedModels(bundle, domain_sentences(), progress)
    inside = listener.listen("phrasebook speech", known, kinds, rng, progress)
    outside = listener.listen("other speech", outside_sentences(), kinds, rng, progress)
    one_word = listener.listen("one unknown word", one_word_sentences(), kinds, rng, progress)
    right = is_right(inside, known)
    if not right.any():
        raise InputError("nothing of the domain's own speech comes out right", path=bundle.folder, found=f"{count} utterances")

    domains = find_domains(inside.scores[:, right], share)
    measured = {_NAMES[kind]: domain.to_config() for kind, domain in domains.items()} | summary(domains, inside, outside, one_word)
    warned = is_warned_of(domains, inside.scores).any(axis=0)
    voices = np.array(inside.voices)
    measured |= {"warned_right": _by_voice(warned[right], voices[right]), "warned_wrong": _by_voice(warned[~right], voices[~right])}

    for kind, more in ((UNIT_ENCODER, {KNOWN: listener.known.to_config()}), (TRANSLATOR, {})):
        source = read_checkpoint(bundle.checkpoint(kind), kind)
        rewrite_config(source, {**source.config, KEY: domains[kind].to_config(), **more})
    return write_about(bundle.folder, {**bundle.about, "out_of_domain": measured})


def domain_sentences() -> list[str]:
    """Return every English sentence of the phrasebook, including those that are not used otherwise."""
    return [pair.english for pair in phrasebook().all_pairs()]


def find_domains(inside: NDArray[np.float64], share: float) -> dict[Stage, Domain]:
    """Return the domain of each model. Raises InputError.

    inside: float64 of shape [readings, utterances], scores of held-out speech of the domain.
    """
    found = common_bounds(inside, [one.part for one in READINGS], share)
    bounds: dict[Stage, dict[str, float]] = {kind: {} for kind in _NAMES}
    for one, bound in zip(READINGS, found, strict=True):
        bounds[one.model][one.of] = float(bound)
    return {kind: Domain(what=_WHAT, share=share, samples=inside.shape[1], **own) for kind, own in bounds.items()}


def is_warned_of(domains: Mapping[Stage, Domain], scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which scores are below their bounds: bool of the scores' shape, float64 [readings, utterances]."""
    return np.array(
        [[not domains[one.model].knows(score, one.of) for score in row] for one, row in zip(READINGS, scores, strict=True)]
    )


def summary(domains: Mapping[Stage, Domain], inside: Scores, outside: Scores, one_word: Scores) -> dict[str, Any]:
    """Return the summary for bundle.json: how often an utterance inside the domain, outside of it, or with one unknown word falls
    below any bound."""
    warned: dict[str, Any] = {}
    for where, scores in (("inside", inside), ("outside", outside), ("one_word", one_word)):
        below = is_warned_of(domains, scores.scores)
        each = {one.name: float(row.mean()) for one, row in zip(READINGS, below, strict=True)}
        warned[f"warned_{where}"] = _by_voice(below.any(axis=0), np.array(scores.voices)) | each
        LOG.info("%s: a warning for %.1f %% of %d utterances", where, 100 * below.any(axis=0).mean(), below.shape[1])
    return warned


def is_right(inside: Scores, known: Sequence[str]) -> NDArray[np.bool_]:
    """Return which utterances come out as the sentence that was spoken, not as another one of the domain: bool [utterances]."""
    return np.array([spoken == text for spoken, text in zip(inside.spoken, known, strict=True)])


def _by_voice(is_warned: NDArray[np.bool_], voices: NDArray[np.str_]) -> dict[str, Any]:
    """Return the share of warnings for all voices and for each kind. is_warned: bool [utterances]; voices: str [utterances]."""
    return _share(is_warned) | {"by_voice": {str(kind): _share(is_warned[voices == kind]) for kind in dict.fromkeys(voices)}}


def _share(is_warned: NDArray[np.bool_]) -> dict[str, Any]:
    return {"samples": len(is_warned), "share": float(is_warned.mean()) if len(is_warned) else 0.0}


def common_bounds(scores: NDArray[np.floating[Any]], parts: Sequence[float], share: float) -> NDArray[np.float64]:
    """Find one bound for each row of scores, such that at most `share` of the utterances fall below any of them.

    scores: float of shape [readings, utterances] of held-out speech of the domain. parts: the weight of each reading in the
    share; readings that detect more of what is outside deserve more. Returns float64 [readings]. Raises InputError.
    """
    if not scores.size or not np.isfinite(scores).all():
        raise InputError("a domain needs scores of its own speech", expected="finite numbers", found=f"{scores.shape[-1]} scores")

    def bounds(level: float) -> NDArray[np.float64]:
        return np.array([np.quantile(row, min(level * part, 1.0)) for row, part in zip(scores, parts, strict=True)])

    # An utterance that is low in several readings counts once, so the level at which the share is used up has to be searched for.
    low, high = 0.0, 1.0 / max(parts)
    for _ in range(_HALVINGS):
        level = (low + high) / 2
        missed = float((scores < bounds(level)[:, None]).any(axis=0).mean())
        low, high = (level, high) if missed <= share else (low, level)
    return bounds(low)
