"""Sizes of a unit-to-text model, read from its checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from avcore.checkpoints.checkpoint import read_av_hubert
from avcore.checkpoints.layouts import read_setting
from avcore.checkpoints.stages import Checkpoint
from avcore.decoding.layers import LayerConfig
from avcore.errors import CheckpointError
from unit2text.stage import LIPS, PUBLISHED_LANGUAGES, TAKES

OWNER = "the unit-to-text model"
FIRST_START = 1000
"""Row of the first language's start token in the published reader, whatever its symbol is called; the others follow."""
UNIT_ENCODER_HEADS = 16
"""Of the published unit encoder: they are in its code only."""
_LARGE_HEADS, _LARGE_WIDTH = 16, 1024
_MOST = 1_000_000
_FRONT_KERNEL = "feature_extractor_video.resnet.frontend3D.0.weight"
_LIP_ENCODER = "encoder.w2v_model"
_NEIGHBOURS = ("mavhubert.pt", "mavhubert/mavhubert.pt", "../mavhubert/mavhubert.pt")
"""Where AV-HuBERT's own file lies beside a published one."""
_REQUIRED: dict[str, object] = {
    "decoder_normalize_before": True,
    "decoder_learned_pos": False,
    "no_token_positional_embeddings": False,
    "share_decoder_input_output_embed": True,
}
_REQUIRED_OF_LIPS: dict[str, object] = {
    "layer_norm_first": True,
    "modality_fuse": "concat",
    "resnet_relu_type": "prelu",
    "activation_fn": "gelu",
}
"""What the published layouts say; a checkpoint that says otherwise is of another network."""


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of a stack of wav2vec 2.0 layers (see `av2unit.model.EncoderSizes`). The dropouts act in training only.

    norm_first: norms stand before attention and feed-forward, and one at the end; otherwise behind each, and one at the start.
    """

    encoder_layers: int = 6
    encoder_embed_dim: int = 1024
    encoder_ffn_embed_dim: int = 4096
    encoder_attention_heads: int = 16
    conv_pos: int = 128
    conv_pos_groups: int = 16
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.0
    encoder_layerdrop: float = 0.0
    norm_first: bool = False


@dataclass(frozen=True)
class LipConfig:
    """How mouth video becomes features: the transformer, channels of the first convolution, and how frames are normalised."""

    encoder: EncoderConfig
    resnet_width: int
    image_crop_size: int = 88
    image_mean: float = 0.421
    image_std: float = 0.165


@dataclass(frozen=True)
class UnitToTextConfig:
    """Sizes of a unit-to-text model.

    takes: one of unit2text.stage.TAKES. num_rows: of the text vocabulary. languages: in the order of their rows;
    starts: the row that a text in each begins with. unit_rows, sound_rows: of the tables of units, 0 = there is none. lips: None
    where units are read. scale: what the decoder's embeddings are multiplied by.
    """

    takes: str
    num_rows: int
    languages: tuple[str, ...]
    starts: tuple[int, ...]
    encoder: EncoderConfig
    decoder: LayerConfig
    unit_rows: int = 0
    sound_rows: int = 0
    lips: LipConfig | None = None
    scale: float = 1.0
    max_target_positions: int = 2048

    @property
    def dim(self) -> int:
        """Width of everything behind the embeddings and features."""
        return self.encoder.encoder_embed_dim

    def start(self, language: str) -> int:
        """Return the row that a text in one of `languages` begins with."""
        return self.starts[self.languages.index(language)]

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, av_hubert: str | Path | None = None) -> "UnitToTextConfig":
        """Read sizes off the tensors, and what they do not tell from the stored settings.

        av_hubert: the file that says how many heads the lip encoder has, where the checkpoint does not; None = `mavhubert.pt`
        beside it, if there is one. Raises CheckpointError when tensors are missing or the settings are those of another network.
        """
        settings = _section(checkpoint, "model")
        takes = checkpoint.config.get("takes")
        if takes not in TAKES:
            raise CheckpointError(
                "the unit-to-text model does not say what it reads", path=checkpoint.path, expected=TAKES, found=takes
            )

        for name, required in _REQUIRED.items():
            _require(settings, name, required, checkpoint.path)

        prefix = "unit_encoder.w2v_model" if takes == LIPS else "encoder.w2v_model"
        num_rows, dim = shape_of(checkpoint, "decoder.embed_tokens.weight", 2)
        if not len(_symbols(checkpoint)) == num_rows:
            raise CheckpointError(
                "the dictionary does not fit the unit-to-text model's table",
                path=checkpoint.path,
                expected=f"{num_rows} symbols",
                found=len(_symbols(checkpoint)),
            )

        languages, starts = _languages(checkpoint, num_rows)
        has_sound = "speech_unit_embedding.weight" in checkpoint.tensors
        heads = read_setting(settings, "encoder_heads", UNIT_ENCODER_HEADS, OWNER, checkpoint.path, (1, _MOST))
        is_norm_first = read_setting(settings, "encoder_norm_first", False, OWNER, checkpoint.path)

        return cls(
            takes=str(takes),
            num_rows=num_rows,
            languages=languages,
            starts=starts,
            encoder=_stack(checkpoint, prefix, dim, heads, is_norm_first),
            decoder=_decoder(checkpoint, dim, settings),
            unit_rows=0 if takes == LIPS else shape_of(checkpoint, "lip_unit_embedding.weight", 2)[0],
            sound_rows=shape_of(checkpoint, "speech_unit_embedding.weight", 2)[0] if has_sound else 0,
            lips=_lips(checkpoint, dim, settings, av_hubert) if takes == LIPS else None,
            scale=1.0 if read_setting(settings, "no_scale_embedding", True, OWNER, checkpoint.path) else dim**0.5,
            max_target_positions=read_setting(settings, "max_target_positions", 2048, OWNER, checkpoint.path, (2, _MOST)),
        )


def shape_of(checkpoint: Checkpoint, key: str, axes: int) -> tuple[int, ...]:
    """Return the shape of a tensor with so many axes. Raises CheckpointError where there is none."""
    tensor = checkpoint.tensors.get(key)
    if tensor is None or tensor.dim() != axes or not tensor.numel():
        found = "none" if tensor is None else list(tensor.shape)
        raise CheckpointError(
            "a tensor of the unit-to-text model is missing", path=checkpoint.path, expected=f"{key} with {axes} axes", found=found
        )
    return tuple(tensor.shape)


def _section(checkpoint: Checkpoint, name: str) -> Mapping[str, Any]:
    section = checkpoint.config.get(name)
    if not isinstance(section, Mapping):
        raise CheckpointError(f"the unit-to-text model's config has no section '{name}'", path=checkpoint.path)
    return section


def _require(settings: Mapping[str, Any], name: str, required: object, path: Path) -> None:
    if settings.get(name, required) != required:
        raise CheckpointError(
            f"the unit-to-text model's option {name} is not supported", path=path, expected=required, found=settings[name]
        )


def _symbols(checkpoint: Checkpoint) -> Sequence[str]:
    symbols = checkpoint.config.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        raise CheckpointError(
            "the unit-to-text model's dictionary cannot be read", path=checkpoint.path, expected="a list of symbols"
        )
    return symbols


def _languages(checkpoint: Checkpoint, num_rows: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Languages in the order of their table's rows, and the rows that their texts begin with."""
    rows = shape_of(checkpoint, "language_embedding.weight", 2)[0]
    stored = checkpoint.config.get("starts")
    if stored is None:
        stored = {name: FIRST_START + number for number, name in enumerate(PUBLISHED_LANGUAGES)}
    is_read = isinstance(stored, Mapping) and all(
        isinstance(name, str) and isinstance(row, int) and 0 <= row < num_rows for name, row in stored.items()
    )
    if not is_read or len(stored) != rows:
        raise CheckpointError(
            "the unit-to-text model's languages do not fit its tables",
            path=checkpoint.path,
            expected=f"{rows} languages with start tokens below {num_rows}",
            found=str(stored)[:80],
        )

    return tuple(stored), tuple(stored.values())


def _num_layers(checkpoint: Checkpoint, prefix: str) -> int:
    start = f"{prefix}.layers."
    return len({key.removeprefix(start).split(".")[0] for key in checkpoint.tensors if key.startswith(start)})


def _stack(checkpoint: Checkpoint, prefix: str, dim: int, heads: int, is_norm_first: bool) -> EncoderConfig:
    width, in_group, taps = shape_of(checkpoint, f"{prefix}.pos_conv.0.weight_v", 3)
    if width != dim or dim % heads or dim % in_group:
        raise CheckpointError(
            "the unit-to-text model's widths do not fit",
            path=checkpoint.path,
            expected=f"{prefix} of width {dim} with {heads} heads",
            found=f"width {width}, {in_group} channels a group",
        )

    return EncoderConfig(
        encoder_layers=_num_layers(checkpoint, prefix),
        encoder_embed_dim=dim,
        encoder_ffn_embed_dim=shape_of(checkpoint, f"{prefix}.layers.0.fc1.weight", 2)[0],
        encoder_attention_heads=heads,
        conv_pos=taps,
        conv_pos_groups=dim // in_group,
        norm_first=is_norm_first,
    )


def _decoder(checkpoint: Checkpoint, dim: int, settings: Mapping[str, Any]) -> LayerConfig:
    """Return the decoder, with ReLU: its settings have no field for the activation, and this is what fairseq takes then."""
    heads = read_setting(settings, "decoder_attention_heads", 8, OWNER, checkpoint.path, (1, _MOST))
    if dim % heads:
        raise CheckpointError(
            "the number of heads of the unit-to-text model's decoder does not divide its width",
            path=checkpoint.path,
            expected=f"a divisor of {dim}",
            found=heads,
        )

    return LayerConfig(
        dim=dim,
        num_layers=_num_layers(checkpoint, "decoder"),
        num_heads=heads,
        ffn_dim=shape_of(checkpoint, "decoder.layers.0.fc1.weight", 2)[0],
        activation=nn.ReLU,
        dropout=read_setting(settings, "decoder_dropout", 0.1, OWNER, checkpoint.path),
        attention_dropout=read_setting(settings, "decoder_attention_dropout", 0.0, OWNER, checkpoint.path),
        activation_dropout=read_setting(settings, "decoder_activation_dropout", 0.1, OWNER, checkpoint.path),
    )


def _lips(checkpoint: Checkpoint, dim: int, settings: Mapping[str, Any], av_hubert: str | Path | None) -> LipConfig:
    task = _section(checkpoint, "task")
    stored = _av_hubert_settings(checkpoint.path, settings, av_hubert)
    for name, required in _REQUIRED_OF_LIPS.items():
        _require(stored, name, required, checkpoint.path)

    if not stored and dim != _LARGE_WIDTH:
        raise CheckpointError(
            "the checkpoint does not say how many heads its lip encoder has",
            path=checkpoint.path,
            expected="mavhubert.pt beside it, unless it is AV-HuBERT Large",
            found=f"a width of {dim}",
        )

    heads = read_setting(stored, "encoder_attention_heads", _LARGE_HEADS, OWNER, checkpoint.path, (1, _MOST))
    return LipConfig(
        encoder=_stack(checkpoint, f"{_LIP_ENCODER}.encoder", dim, heads, True),
        resnet_width=shape_of(checkpoint, f"{_LIP_ENCODER}.{_FRONT_KERNEL}", 5)[0],
        image_crop_size=read_setting(task, "image_crop_size", 88, OWNER, checkpoint.path, (1, 96)),
        image_mean=read_setting(task, "image_mean", 0.421, OWNER, checkpoint.path, (-1e6, 1e6)),
        image_std=read_setting(task, "image_std", 0.165, OWNER, checkpoint.path, (1e-6, 1e6)),
    )


def _av_hubert_settings(path: Path, settings: Mapping[str, Any], given: str | Path | None) -> Mapping[str, Any]:
    """AV-HuBERT's own settings: those in the checkpoint, else those of its file; empty where there is neither."""
    stored = settings.get("w2v_args")
    if isinstance(stored, Mapping):
        model = stored.get("model", stored)
        return model if isinstance(model, Mapping) else {}
    beside = (path.parent / name for name in _NEIGHBOURS)
    found = next((one for one in beside if one.is_file()), None) if given is None else Path(given)
    return {} if found is None else read_av_hubert(found).config["model"]
