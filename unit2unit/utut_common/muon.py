"""Muon for the translator's layers, as a fairseq optimizer."""

from ast import literal_eval
from collections.abc import Iterable, Sequence
from typing import Any

from fairseq.optim import FairseqOptimizer, register_optimizer
from fairseq.optim.adam import FairseqAdamConfig
from torch import Tensor, nn

from avcore.errors import UsageError
from avtrain.config import OptimConfig
from avtrain.optim import join_muon

MUON = "adam_muon"
_LAYERS = ".layers."
_MARK = "is_of_layer"
_MATRIX_DIMS = 2


def mark_layers(model: nn.Module) -> nn.Module:
    """Mark the matrices of a model's layers as Muon's (fairseq tells its optimizers no names); returns the model."""
    for name, parameter in model.named_parameters():
        if _LAYERS in f".{name}" and parameter.ndim == _MATRIX_DIMS:
            setattr(parameter, _MARK, True)
    return model


@register_optimizer(MUON, dataclass=FairseqAdamConfig)
class AdamMuon(FairseqOptimizer):  # type: ignore[misc]
    """AdamW, and for matrices that `mark_layers` has marked Muon (Jordan et al. 2024), at the same rate; the options of `adam`.

    Raises UsageError when none is marked.
    """

    def __init__(self, cfg: FairseqAdamConfig, params: Iterable[Tensor]) -> None:
        super().__init__(cfg)
        every = list(params)
        by_muon = [parameter for parameter in every if getattr(parameter, _MARK, False)]
        if not by_muon:
            raise UsageError(
                f"optimizer={MUON} finds no layers to learn", hint="fp16 hides them in one vector: fp16=false, or optimizer=adam"
            )
        others = [parameter for parameter in every if not getattr(parameter, _MARK, False)]
        settings = self.optimizer_config
        self._optimizer = join_muon(by_muon, others, OptimConfig(**settings))

    @property
    def optimizer_config(self) -> dict[str, Any]:
        """What a resumed run may override."""
        rate, betas = self.cfg.lr, self.cfg.adam_betas
        return {
            "lr": float(rate[0] if isinstance(rate, Sequence) else rate),
            "betas": tuple(literal_eval(betas) if isinstance(betas, str) else betas),
            "eps": self.cfg.adam_eps,
            "weight_decay": self.cfg.weight_decay,
        }
