"""How well units are predicted: by step, and by unit error rate for sound, lips and both."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from av2unit.decoding import Classes, Decoding, Scores, decode
from av2unit.training.items import Batch
from av2unit.training.network import MaskedPrediction
from avcore.units import Units
from avcore.units.edit_distance import edit_distance
from avdata.labels import SPECIALS
from avtrain.config import Metrics


@dataclass
class Tally:
    """Counts over a validation set for one kind of input."""

    right: int = 0
    steps: int = 0
    distance: int = 0
    length: int = 0

    def add(self, found: Classes, wanted: Classes) -> None:
        """Count one clip: classes at 50 a second, int64 [N] each."""
        self.right += int((found == wanted).sum())
        self.steps += len(wanted)
        reference = Units.from_frames(wanted).ids
        self.distance += edit_distance(Units.from_frames(found).ids, reference)
        self.length += len(reference)

    def join(self, other: "Tally") -> None:
        """Count what another counted too."""
        self.right += other.right
        self.steps += other.steps
        self.distance += other.distance
        self.length += other.length

    @property
    def accuracy(self) -> float:
        """Share of steps of 20 ms with the right unit."""
        return self.right / max(1, self.steps)

    @property
    def error_rate(self) -> float:
        """Edit distance of merged units over the length of the merged labels."""
        return self.distance / max(1, self.length)


@dataclass
class Score:
    """What a validation measures."""

    losses: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tallies: dict[str, Tally] = field(default_factory=dict)

    def add(self, name: str, found: Classes, wanted: Classes) -> None:
        """Count one clip's classes for the input called `name`."""
        self.tallies.setdefault(name, Tally()).add(found, wanted)

    def metrics(self) -> Metrics:
        """Means, and for each modality that any clip has accuracy_* and uer_*; uer is the mean of the latter."""
        found: Metrics = {name: float(np.mean(values)) for name, values in self.losses.items()}
        for name, tally in self.tallies.items():
            found |= {f"accuracy_{name}": tally.accuracy, f"uer_{name}": tally.error_rate}
        if self.tallies:
            found["uer"] = float(np.mean([tally.error_rate for tally in self.tallies.values()]))
        return found


def joined(shares: Iterable[Score]) -> Score:
    """What several processes measured, as one."""
    whole = Score()
    for share in shares:
        for name, values in share.losses.items():
            whole.losses[name] += values
        for name, tally in share.tallies.items():
            whole.tallies.setdefault(name, Tally()).join(tally)
    return whole


def validate(network: MaskedPrediction, batches: Iterator[tuple[Batch, Batch]], decoding: Decoding, is_masked: bool) -> Score:
    """Measure the network, in evaluation mode, on clips with nothing hidden and with spans hidden.

    is_masked: whether spans are hidden in training, so that it is worth measuring.
    """
    score = Score()
    for whole, hidden in batches:
        measured = network(hidden if is_masked else whole)
        for name, value in measured.items():
            if is_masked or not name.startswith("masked"):
                score.losses[name].append(float(value))
        for name, scores, wanted in clip_scores(network, whole):
            score.add(name, decode(scores, decoding), wanted)
    return score


def clip_scores(network: MaskedPrediction, batch: Batch) -> Iterator[tuple[str, Scores, Classes]]:
    """For each clip and each of its inputs (sound, lips, both): what it is called, scores, and the classes wanted.

    Scores are float32 [units, classes] at 50 a second, -inf for the specials; classes are int64 [units].
    """
    audio, video = network.front_ends(batch)
    has_audio = batch.has_audio.tolist()
    has_video = [length > 0 for length in batch.video_lengths]
    inputs = {"audio": (audio, None), "video": (torch.zeros_like(audio), video), "audio_video": (audio, video)}
    for name, features in inputs.items():
        rows = [
            row for row, (heard, seen) in enumerate(zip(has_audio, has_video, strict=True))
            if (heard or name == "video") and (seen or name == "audio")
        ]  # fmt: skip
        if not rows:
            continue
        logits = network.logits(network.model.fuse(*features), batch)
        for row in rows:
            length = batch.lengths[row]
            scores = torch.stack([head[row, :length] for head in logits], dim=1).flatten(0, 1).float().cpu().numpy()
            scores[:, : len(SPECIALS)] = -np.inf
            yield name, scores, batch.targets[row, :length].flatten().cpu().numpy()
