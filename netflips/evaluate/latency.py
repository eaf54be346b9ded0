"""How far a live dub is behind, by the record that it kept: `netflips evaluate latency`.

StartOffset and EndOffset are SimulEval's, with each turn as an instance: from the beginning of a turn to the first sound of its
speech, and from its end to the end of that. ATD is average token delay (Kano et al. 2023) with tokens of 0.3 s, as OpenSTBench
counts them: the mean over the tokens of the speech of how long each ends behind the token of the turn with the same number. YAAL
counts what is spoken before a turn ends, which here is nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from avcore.errors import InputError
from avcore.notes import json_text, print_text
from avcore.texts import read_json
from avcore.timeline import Interval
from netflips.evaluate.command import LatencyOptions
from netflips.script.files import script_from

_TOKEN_S = 0.3


class Latency(NamedTuple):
    """Delays in seconds, of each turn."""

    start_offset: Sequence[float]
    behind: Sequence[float]
    """from the end of a turn to the first sound of its speech"""
    end_offset: Sequence[float]
    token_delay: Sequence[float]


def latency_of(pairs: Sequence[tuple[Interval, Interval]]) -> Latency:
    """Return the delays of turns, each with its place in the source and when its speech is heard (s)."""
    delays = list[float]()
    for place, heard in pairs:
        said, spoken = (max(round(one.seconds / _TOKEN_S), 1) for one in (place, heard))
        tokens = np.arange(1, spoken + 1)
        delays.append(float(np.mean(heard.start_s + _TOKEN_S * tokens - place.start_s - _TOKEN_S * np.minimum(tokens, said))))
    return Latency(
        [heard.start_s - place.start_s for place, heard in pairs],
        [heard.start_s - place.end_s for place, heard in pairs],
        [heard.end_s - place.end_s for place, heard in pairs],
        delays,
    )


def measure_latency(options: LatencyOptions) -> None:
    """Print how far a live dub was behind, as JSON. Raises InputError for what is no record of one."""
    utterances = script_from(read_json(options.record, "the record"), options.record).utterances
    pairs = [(utterance.place, utterance.fit.output) for utterance in utterances if utterance.fit is not None]
    if not pairs:
        raise InputError("nothing in it was spoken", path=options.record, expected="a record of netflips live")
    found = {
        name: {"mean": float(np.mean(values))} | {f"p{rank}": float(np.percentile(values, rank)) for rank in (50, 95)}
        for name, values in latency_of(pairs)._asdict().items()
    }
    counts = {"turns": len(utterances), "spoken": len(pairs)}
    print_text(json_text(counts | {name: {key: round(one, 3) for key, one in row.items()} for name, row in found.items()}, 1))
