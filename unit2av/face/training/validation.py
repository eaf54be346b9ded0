"""How well a face renderer does on held-out windows: how near its mouths are, and whether they follow the units."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avtrain.config import Metrics
from unit2av.face.model import FACE_SIZE, WINDOW_FRAMES, FaceModel
from unit2av.face.training.config import MouthRegion
from unit2av.face.training.losses import LipLosses
from unit2av.face.training.mouth import mouth_of, ssim
from unit2av.renderer import network_input, network_picture, to_pictures


def faces_of(batch: dict[str, Tensor]) -> Tensor:
    """The renderer's input for a batch of FaceExample: float32 [batch * P, 6, 96, 96], channels last."""
    faces = network_input(batch["target"].flatten(0, 1), batch["reference"].flatten(0, 1))
    return faces.contiguous(memory_format=torch.channels_last)


def pictures_of(shown: Tensor) -> Tensor:
    """Which of all 10 * batch pictures int64 [batch, P] are: int64 [batch * P]."""
    first = WINDOW_FRAMES * torch.arange(len(shown), device=shown.device)
    return (shown + first[:, None]).flatten()


Found = dict[str, list[Tensor]]
"""What was measured, by name: a tensor for each batch, float32 [windows]."""


def means_of(shares: Sequence[Found]) -> Metrics:
    """The means over all windows of all processes; mouth_l1 alone, infinite, when there were none."""
    names = dict.fromkeys(name for share in shares for name in share)
    values = {name: [one for share in shares for one in share.get(name, ())] for name in names}
    return {name: float(torch.cat(parts).mean()) for name, parts in values.items()} or {"mouth_l1": float("inf")}


class Measurer:
    """Collects what a validation measures, in `found`.

    l1: of the whole crop. mouth_l1, mouth_ssim: of the mouth region. average_mouth_l1: of the clip's mean face, which never
    moves: a renderer must do better. other_units_mouth_l1: drawn with another window's units; as low as mouth_l1 means
    that the units are ignored. With a sync expert sync_loss and sync_score (probability that pictures and units fit), and
    dubbed_sync_score: the same where the reference is the picture that is redrawn, as at inference.
    """

    def __init__(self, face: FaceModel, losses: LipLosses, mouth: MouthRegion) -> None:
        self._face, self._losses, self._mouth = face, losses, mouth
        self.found: Found = {}

    def add(self, batch: dict[str, Tensor]) -> Tensor:
        """Draw and measure a batch of FaceExample of whole windows; returns uint8 [batch, 10, 96, 96, 3] RGB as drawn."""
        units, truth = batch["units"], network_picture(batch["target"].flatten(0, 1))
        faces = faces_of(batch)
        drawn = self._face(units, faces)
        average = network_picture(batch["average"]).repeat_interleave(WINDOW_FRAMES, 0)
        self._note("l1", _distance(drawn, truth))
        self._note("mouth_l1", self._mouth_distance(drawn, truth))
        self._note("mouth_ssim", ssim(mouth_of(drawn, self._mouth), mouth_of(truth, self._mouth)))
        self._note("average_mouth_l1", self._mouth_distance(average, truth))
        if len(units) > 1:
            self._note("other_units_mouth_l1", self._mouth_distance(self._face(units.roll(1, 0), faces), truth))
        if self._losses.expert is not None:
            self._note_sync(batch, drawn)
        return to_pictures(drawn).view(len(units), WINDOW_FRAMES, FACE_SIZE, FACE_SIZE, 3)

    def _note_sync(self, batch: dict[str, Tensor], drawn: Tensor) -> None:
        units, shown = batch["units"], batch["shown"]
        logits = self._losses.sync_logits(drawn, units, shown)
        self._note("sync_loss", torch.nn.functional.softplus(-logits))
        self._note("sync_score", logits.sigmoid())
        redrawn = self._face(units, faces_of({**batch, "target": batch["reference"]}))
        self._note("dubbed_sync_score", self._losses.sync_logits(redrawn, units, shown).sigmoid())

    def _note(self, name: str, values: Tensor) -> None:
        self.found.setdefault(name, []).append(values.float().cpu())

    def _mouth_distance(self, drawn: Tensor, truth: Tensor) -> Tensor:
        return _distance(mouth_of(drawn, self._mouth), mouth_of(truth, self._mouth))


def comparison(batch: dict[str, Tensor], drawn: Tensor, number: int) -> NDArray[np.uint8]:
    """One window of a batch, reference above target above drawn, picture by picture: uint8 [288, 960, 3]."""
    rows = (batch["reference"][number], batch["target"][number], drawn[number])
    return np.concatenate([np.concatenate(list(row.cpu().numpy()), axis=1) for row in rows])


def _distance(drawn: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of each picture of float [batch, 3, height, width]: [batch]."""
    return (drawn - truth).abs().mean(dim=(1, 2, 3))
