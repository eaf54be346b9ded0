"""The translator's network."""

from pathlib import Path

import pytest
import torch

from avcore.checkpoints.checkpoint import Checkpoint
from avcore.errors import CheckpointError
from tests.unit2unit.tiny import checkpoint_content, tiny_model
from unit2unit.model import UnitTransformer, load_transformer
from unit2unit.stage import TRANSLATOR
from unit2unit.vocabulary import PAD

SOURCE = torch.tensor([[0, 7, 9, 11, 30, 2, 34]])
TARGET = torch.tensor([[36, 0, 5, 6, 7]])


def as_checkpoint(model: UnitTransformer) -> Checkpoint:
    return Checkpoint(Path("x.pt"), TRANSLATOR, *checkpoint_content(model), "")


def test_padding_changes_nothing() -> None:
    model = tiny_model()
    alone = model(SOURCE, TARGET)
    source = torch.cat([SOURCE, torch.full((1, 4), PAD)], dim=1)
    target = torch.cat([TARGET, torch.full((1, 3), PAD)], dim=1)
    longer = torch.randint(4, 30, (1, 11)), torch.randint(4, 30, (1, 8))
    padded = model(torch.cat([source, longer[0]]), torch.cat([target, longer[1]]))
    torch.testing.assert_close(padded[:1, : TARGET.shape[1]], alone, atol=1e-5, rtol=1e-5)


def test_padding_in_front_makes_no_nan() -> None:
    model = tiny_model()
    target = torch.cat([torch.full((1, 3), PAD), TARGET], dim=1)
    logits = model(SOURCE, target)
    assert bool(logits.isfinite().all())
    torch.testing.assert_close(logits[:, 3:], model(SOURCE, TARGET), atol=1e-5, rtol=1e-5)


def test_a_source_longer_than_the_trained_positions_runs() -> None:
    assert tiny_model()(torch.randint(4, 30, (1, 1500)), TARGET).isfinite().all()


def test_the_table_is_one_parameter_and_learns_from_all_its_uses() -> None:
    model = tiny_model().train()
    tables = [model.encoder.embed_tokens.weight, model.decoder.embed_tokens.weight, model.decoder.output_projection.weight]
    assert all(table is tables[0] for table in tables)
    model(SOURCE, TARGET).logsumexp(-1).sum().backward()
    gradient = tables[0].grad
    assert gradient is not None
    assert bool((gradient.abs().sum(1) > 0).all())


def test_loading_shares_the_tensors_and_the_table() -> None:
    original = tiny_model()
    checkpoint = as_checkpoint(original)
    loaded = load_transformer(checkpoint).eval()
    assert torch.equal(loaded(SOURCE, TARGET), original(SOURCE, TARGET))
    assert loaded.decoder.output_projection.weight is loaded.encoder.embed_tokens.weight
    key = "decoder.layers.0.fc1.weight"
    assert loaded.state_dict()[key].data_ptr() == checkpoint.tensors[key].data_ptr()


@pytest.mark.parametrize("change", ["missing", "unexpected", "misshaped"])
def test_tensors_of_another_model_are_named(change: str) -> None:
    checkpoint, key = as_checkpoint(tiny_model()), "decoder.layers.1.encoder_attn.q_proj.bias"
    if change == "missing":
        del checkpoint.tensors[key]
    elif change == "unexpected":
        key = "decoder.layers.1.extra"
        checkpoint.tensors[key] = torch.zeros(1)
    else:
        checkpoint.tensors[key] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=key):
        load_transformer(checkpoint)
