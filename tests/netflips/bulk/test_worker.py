"""What a model worker does with what it is given, without Ray."""

from dataclasses import replace

import pytest

from av2unit.extractor import UnitExtractor
from avcore.compute.kernels import PackedLinear
from avdata.manifest import Manifest
from netflips.bulk.records import Source
from netflips.bulk.settings import ExtractModels, ExtractSettings
from netflips.bulk.worker import ModelWorker, read_part

BOTH = frozenset({"audio", "video"})


def batches_of(
    monkeypatch: pytest.MonkeyPatch, manifest: Manifest, encoder: ExtractModels, settings: ExtractSettings
) -> tuple[list[list[int]], dict[str, list[int]]]:
    """Pictures of the utterances in each call of the encoder, and the durations and units of all."""
    calls: list[list[int]] = []
    together = UnitExtractor.extract_batch

    def noted(self: UnitExtractor, speech: list, lips: list) -> list:
        calls.append([len(clip) for clip in lips])
        return together(self, speech, lips)

    worker = ModelWorker(encoder, settings)
    assert worker.load() == ""
    read = read_part(settings, [Source(entry, manifest.root) for entry in manifest.entries])
    with monkeypatch.context() as patch:
        patch.setattr(UnitExtractor, "extract_batch", noted)
        result = worker.process(read)
    assert result.rejected == []
    assert result.costs.media_s == pytest.approx(sum(map(sum, calls)) / 25)
    assert result.costs.padded_s == pytest.approx(sum(max(call) * len(call) for call in calls) / 25)
    return calls, {made.id: [*made.row["units"], *made.row["durations"]] for made in result.made}


def test_the_padding_of_a_batch_is_bounded_and_changes_no_id(
    monkeypatch: pytest.MonkeyPatch, manifest: Manifest, encoder: ExtractModels, sound_only: ExtractSettings
) -> None:
    """Lengths are known only when all is read, as in a corpus whose manifest states none."""
    settings = replace(sound_only, modalities=BOTH, batch_s=1000.0)
    with_padding = replace(settings, most_padding_s=1.0)
    without = replace(settings, most_padding_s=0.0)
    in_one, units = batches_of(monkeypatch, manifest, encoder, settings)
    assert len(in_one) == 1
    assert len(set(in_one[0])) > 1
    bounded, bounded_units = batches_of(monkeypatch, manifest, encoder, with_padding)
    assert 1 < len(bounded) < len(manifest.entries)
    assert all(0 <= max(call) - min(call) <= 1.1 * 25 for call in bounded)
    alike, alike_units = batches_of(monkeypatch, manifest, encoder, without)
    assert all(len(set(call)) == 1 for call in alike)
    assert units == bounded_units == alike_units


@pytest.mark.usefixtures("packs_all")
def test_a_loaded_worker_has_its_weights_laid_out(encoder: ExtractModels, sound_only: ExtractSettings) -> None:
    """The first batch then takes as long as the next."""
    worker = ModelWorker(encoder, replace(sound_only, modalities=BOTH))
    assert worker.load() == ""
    assert worker._extractor is not None
    packed = [module for module in worker._extractor.model.modules() if isinstance(module, PackedLinear)]
    assert packed
    assert all(module._plain is None for module in packed)


def test_what_is_wrong_with_the_models_is_said_in_one_line(sound_only: ExtractSettings, manifest: Manifest) -> None:
    worker = ModelWorker(ExtractModels(manifest.root / "gone.pt"), sound_only)
    assert "gone.pt" in worker.load()
