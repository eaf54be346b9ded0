"""A unit HiFi-GAN as a folder that Hugging Face's transformers reads.

    netflips convert renderer.pt --to transformers --target-lang ko -o voice_ko_hf        # SeamlessM4TCodeHifiGan

The network is that of `SeamlessM4TCodeHifiGan`, weight for weight, its weight norm multiplied out. There a voice is a row of a
table, here any vector: the table gets the named voices that lie beside the renderer, as our projection makes them, and the
projection goes along, so that any other voice can be put into the table.
"""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from avcore.checkpoints.checkpoint import load_strict
from avcore.compute.convolutions import WeightNormed
from avcore.contracts import SpeakerVoice
from avcore.errors import CheckpointError, InputError, UsageError
from avcore.files import atomic_output, write_text
from avcore.timeline import SAMPLE_RATE
from unit2av.speaker import neutral_voice
from unit2av.stage import RendererCheckpoint
from unit2av.voice.harmonic import HIFIGAN, kind_of_voice
from unit2av.voice.named import FILE, read_named_voices
from unit2av.voice.speech import resolve_unit_offset
from unit2av.voice.vocoder import SLOPE, UnitHifiGan, VocoderConfig, vocoder_config

CLASS = "SeamlessM4TCodeHifiGan"
PROJECTION = "speaker_projection.safetensors"
_NEUTRAL = "neutral"
_KERNEL = 7
"""Of the first and the last convolution there."""


def write_transformers(renderer: RendererCheckpoint, folder: Path, language: str = "") -> None:
    """Write config.json, model.safetensors, the speaker's projection and a model card into a folder.

    language: whose vocoder, "" = the only one. Raises UsageError where there are several, LanguageError listing them,
    CheckpointError for a voice that the class cannot hold, and OutputError.
    """
    path, languages = renderer.source.path, renderer.languages
    if not language and len(languages) != 1:
        expected = f"--target-lang, one of {', '.join(languages)}" if languages else "a vocoder"
        raise UsageError(f"{path} does not say which voice", expected=expected)
    language = language or languages[0]

    tensors, settings = renderer.vocoder_tensors(language), renderer.vocoder_settings(language)
    if kind_of_voice(tensors) != HIFIGAN:
        raise CheckpointError("transformers has no class for a voice with a pitch", path=path, expected="a unit HiFi-GAN")
    config = vocoder_config(tensors, settings, path)

    sizes = {
        "the first convolution's kernel": (_KERNEL, config.pre_kernel),
        "the last convolution's kernel": (_KERNEL, config.post_kernel),
        "the duration predictor's width": (config.unit_dim, config.duration_dim),
    }
    for what, (there, here) in sizes.items():
        if there != here:
            raise CheckpointError(f"{CLASS} cannot hold this vocoder: {what}", path=path, expected=there, found=here)

    network = UnitHifiGan(config)
    load_strict(network, tensors, renderer.source)
    offset = resolve_unit_offset("auto", language, tensors["dict.weight"], renderer.unit_offsets)
    named = _voices(path, config.speaker_dim)

    content = _config(config, offset, len(named)) | {
        "netflips": {"language": language, "vocabulary": settings.get("vocabulary", ""), "voices": list(named)}
    }
    projection = {"weight": network.spkr.weight.detach(), "bias": network.spkr.bias.detach()}
    with torch.inference_mode():
        weights = _weights(network, offset, list(named.values()))

    with atomic_output(folder / "model.safetensors") as temporary:
        safetensors.torch.save_file(weights, temporary, {"format": "pt"})
    with atomic_output(folder / PROJECTION) as temporary:
        safetensors.torch.save_file(projection, temporary, {"format": "pt"})

    write_text(folder / "config.json", json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    card = _card(language, settings, list(named), content["unit_hifi_gan_vocab_size"] - 1)
    write_text(folder / "README.md", card)


def _voices(path: Path, size: int) -> dict[str, SpeakerVoice]:
    """Return the named voices beside a renderer, the default first; a neutral one where there are none."""
    beside = path.with_name(FILE)
    named = read_named_voices(beside) if beside.is_file() else {_NEUTRAL: neutral_voice(size)}
    for name, voice in named.items():
        if len(voice.vector) != size:
            raise InputError(f"the voice {name} does not fit the vocoder", path=beside, expected=size, found=len(voice.vector))
    return named


def _weights(network: UnitHifiGan, offset: int, voices: list[SpeakerVoice]) -> dict[str, Tensor]:
    """The network's tensors under the names that they have there; unit n stands in row n, behind the last one a row for padding."""
    units = network.dict.weight[offset:]
    rows = torch.stack([network.spkr(torch.from_numpy(voice.vector)) for voice in voices])
    weights = {
        "unit_embedding.weight": torch.cat([units, torch.zeros_like(units[:1])]),
        "speaker_embedding.weight": rows,
        "language_embedding.weight": torch.zeros(1, 1),
    }

    for name, tensor in network.dur_predictor.state_dict().items():
        weights[f"dur_predictor.{name.replace('conv1.0', 'conv1').replace('conv2.0', 'conv2')}"] = tensor
    for name, module in network.named_modules():
        if isinstance(module, WeightNormed):
            there = f"hifi_gan.{name.replace('ups.', 'upsampler.', 1)}"
            weights[f"{there}.weight"], weights[f"{there}.bias"] = module.effective_weight(), module.bias

    first = weights["hifi_gan.conv_pre.weight"]
    # The class wants a language before the unit. One channel that is always zero says none.
    weights["hifi_gan.conv_pre.weight"] = torch.cat([torch.zeros_like(first[:, :1]), first], dim=1)
    return {name: tensor.detach().float().contiguous().clone() for name, tensor in weights.items()}


def _config(config: VocoderConfig, offset: int, voices: int) -> dict[str, Any]:
    """`SeamlessM4TConfig`, of which the class takes the settings of the vocoder."""
    units = config.num_units - offset
    return {
        "model_type": "seamless_m4t",
        "architectures": [CLASS],
        "sampling_rate": SAMPLE_RATE,
        "unit_hifi_gan_vocab_size": units + 1,
        "t2u_pad_token_id": units,
        "unit_embed_dim": config.unit_dim,
        "lang_embed_dim": 1,
        "spkr_embed_dim": config.speaker_width,
        "vocoder_num_langs": 1,
        "vocoder_num_spkrs": voices,
        "vocoder_offset": 0,
        "upsample_initial_channel": config.channels,
        "upsample_rates": list(config.upsample_rates),
        "upsample_kernel_sizes": list(config.upsample_kernels),
        "resblock_kernel_sizes": list(config.resblock_kernels),
        "resblock_dilation_sizes": config.resblock_dilations,
        "leaky_relu_slope": SLOPE,
        "variance_predictor_kernel_size": 3,
        "torch_dtype": "float32",
    }


def _card(language: str, settings: dict[str, Any], names: list[str], units: int) -> str:
    """The folder's README.md."""
    vocabulary, edge = settings.get("vocabulary") or "not stated", settings.get("edge_unit")
    hints = [] if edge is None else [f"- It learnt to speak between silences: put unit {edge} before all and behind."]

    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: text-to-speech",
        "---",
        f"# Units of speech to speech, {language}",
        "",
        f"A vocoder of {units} discrete units (quantizer {vocabulary}), no text, at {SAMPLE_RATE} Hz.",
        "Its licence is that of the checkpoint that it was made from.",
        "",
        "```python",
        "import torch",
        f"from transformers import {CLASS}",
        "",
        f'model = {CLASS}.from_pretrained("FOLDER")',
        "units, voice, language = torch.tensor([[63, 644, 553, 258]]), torch.tensor([[0]]), torch.tensor([[0]])",
        "samples, _ = model(units, voice, language)",
        "```",
        "",
        "- Units have no repeats: 5 5 5 7 is given as 5 7; durations are predicted.",
        f"- Voices by number: {', '.join(f'{number} {name}' for number, name in enumerate(names))}.",
        f"- Any other voice, a vector of NetfLips' speaker encoder: `{PROJECTION}` holds `weight` and `bias`;",
        "  `model.speaker_embedding.weight.data[0] = weight @ vector + bias`.",
        *hints,
        "",
    ]
    return "\n".join(lines)
