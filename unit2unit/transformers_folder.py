"""Convert a translator to a folder for Hugging Face's transformers, and back.

    netflips convert utut_ko.pt --to transformers -o utut_ko_hf        # M2M100ForConditionalGeneration
    netflips convert utut_ko_hf -o utut_ko.safetensors                 # after a fine-tuning there, say

The network is exactly `M2M100ForConditionalGeneration`: a pre-norm BART with sinusoidal positions, without MBart's norm after the
embedding. Settings that transformers does not have (our own, and the units' quantizer) are stored in config.json under `netflips`,
which `save_pretrained` keeps.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch

from avcore.checkpoints.checkpoint import fingerprint_tensors
from avcore.checkpoints.stages import Checkpoint
from avcore.decoding.beam import SearchConfig
from avcore.errors import CheckpointError, UsageError
from avcore.files import atomic_output, require_file, write_text
from avcore.texts import read_json
from avcore.units import BEGIN, END, PAD, UNKNOWN, require_language
from unit2unit.model import BOOKKEEPING, LENGTH_TAGS, TranslatorConfig, load_transformer
from unit2unit.stage import SHARED_TABLES, TRANSLATOR, share_tables

CONFIG = "config.json"
_WEIGHTS = "model.safetensors"
_MODEL_TYPE = "m2m_100"
_OWN = "netflips"
_TABLE = "model.shared.weight"
_TIED = ("lm_head.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight")
"""Other names of the table; `save_pretrained` stores one of the four."""
_PAIR: Final = ("source_lang", "target_lang")


def write_transformers(checkpoint: Checkpoint, folder: Path, source: str = "", target: str = "") -> None:
    """Write config.json, generation_config.json, model.safetensors, a tokenizer and a model card into a folder.

    source, target: languages of the tokenizer and of the generation settings, "" = the pair that the translator was trained on.
    Raises UsageError where that pair is not stated, LanguageError for a language without a tag, and OutputError.
    """
    config = TranslatorConfig.from_checkpoint(checkpoint)
    stored = checkpoint.config["task"]
    names = [given or str(stored.get(key) or "") for given, key in zip((source, target), _PAIR, strict=True)]
    if "" in names:
        raise UsageError(f"{checkpoint.path} does not say which pair it was trained on", expected="--source-lang and --target-lang")
    source, target = (require_language(name, config.vocabulary.languages, str(checkpoint.path)) for name in names)
    search = SearchConfig.from_generation(checkpoint.config.get("generation") or {}, checkpoint.path)

    # safetensors refuses tensors that are not contiguous.
    weights = {
        f"model.{name}": tensor.detach().cpu().contiguous()
        for name, tensor in checkpoint.tensors.items()
        if name not in (*SHARED_TABLES, *BOOKKEEPING)
    }
    weights[_TABLE] = checkpoint.tensors[SHARED_TABLES[0]].detach().cpu().contiguous()
    texts = {
        CONFIG: _model_config(config, target) | {_OWN: dict(checkpoint.config)},
        "generation_config.json": _generation(config, search, target),
        "tokenizer.json": _tokenizer(config, source),
        "tokenizer_config.json": _tokenizer_config(config),
    }

    with atomic_output(folder / _WEIGHTS) as temporary:
        safetensors.torch.save_file(weights, temporary, {"format": "pt"})

    for name, content in texts.items():
        write_text(folder / name, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    write_text(folder / "README.md", _card(checkpoint, config, source, target))


def read_transformers(folder: Path) -> Checkpoint:
    """Read a translator that `write_transformers` wrote, or that transformers saved after training.

    Raises InputError for a missing file, CheckpointError for another model or missing weights.
    """
    content = read_json(folder / CONFIG, "the model's configuration", CheckpointError)
    own = content.get(_OWN) if isinstance(content, Mapping) else None
    if not isinstance(own, Mapping) or content.get("model_type") != _MODEL_TYPE:
        raise CheckpointError(
            "this is no translator of units",
            path=folder / CONFIG,
            expected=f'model_type "{_MODEL_TYPE}" and a section "{_OWN}"',
            found=content.get("model_type") if isinstance(content, Mapping) else None,
            hint="netflips convert --to transformers writes such folders",
        )

    path = require_file(folder / _WEIGHTS, "the model's weights", hint="save it whole: save_pretrained(..., max_shard_size='20GB')")
    try:
        stored = safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise CheckpointError("the weights are damaged", path=path, found=str(error)) from error

    tables = [name for name in (_TABLE, *_TIED) if name in stored]
    if not tables:
        raise CheckpointError("the embedding table is missing", path=path, expected=_TABLE)
    tensors = {name.removeprefix("model."): stored[name] for name in stored if name not in (_TABLE, *_TIED)}

    whole = share_tables(tensors | {SHARED_TABLES[0]: stored[tables[0]]}, path)
    checkpoint = Checkpoint(path, TRANSLATOR, dict(own), whole, fingerprint_tensors(whole))
    load_transformer(checkpoint)  # checks names and shapes of all tensors
    return checkpoint


def _model_config(config: TranslatorConfig, target: str) -> dict[str, Any]:
    """Return the content of `M2M100Config`. A target begins and ends with the tag of its language."""
    tag = config.vocabulary.tag(target)
    sizes = {
        f"{side}_{name}": size
        for side, stack in (("encoder", config.encoder), ("decoder", config.decoder))
        for name, size in {"layers": stack.num_layers, "attention_heads": stack.num_heads, "ffn_dim": stack.ffn_dim}.items()
    }

    return {
        "model_type": _MODEL_TYPE,
        "architectures": ["M2M100ForConditionalGeneration"],
        "vocab_size": config.vocabulary.num_rows,
        "d_model": config.dim,
        **sizes,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "activation_dropout": config.activation_dropout,
        "activation_function": "gelu",
        "max_position_embeddings": max(config.max_source_positions, config.max_target_positions),
        "scale_embedding": True,
        "is_encoder_decoder": True,
        "tie_word_embeddings": True,
        "bos_token_id": BEGIN,
        "pad_token_id": PAD,
        "eos_token_id": tag,
        "decoder_start_token_id": tag,
        "torch_dtype": "float32",
    }


def _generation(config: TranslatorConfig, search: SearchConfig, target: str) -> dict[str, Any]:
    """Return settings with which `generate` searches as we do. Its limit is that of the longest source, as it must be a
    constant."""
    tag = config.vocabulary.tag(target)
    return {
        "num_beams": search.beam,
        "length_penalty": search.lenpen,
        "early_stopping": search.early_stopping,
        "min_new_tokens": search.min_len,
        "max_new_tokens": search.limit(config.max_source_positions, config.max_target_positions) + 1,
        "decoder_start_token_id": tag,
        "forced_eos_token_id": tag,
        "eos_token_id": tag,
        "bos_token_id": BEGIN,
        "pad_token_id": PAD,
        "suppress_tokens": list(config.vocabulary.suppressed(target)),
    }


def _tokens(config: TranslatorConfig) -> list[str]:
    """Return the names of the table's rows: marks, numbers of units, tags, the mask."""
    marks = {BEGIN: "<s>", PAD: "<pad>", END: "</s>", UNKNOWN: "<unk>"}
    units = [str(unit) for unit in range(config.vocabulary.num_units)]
    tags = [f"[{language}]" for language in config.vocabulary.languages]
    return [marks[row] for row in sorted(marks)] + units + tags + ["<mask>"]


def _tokenizer(config: TranslatorConfig, source: str) -> dict[str, Any]:
    """Return a tokenizer of units between blanks, which encodes a source: `<s> units </s> [source]`."""
    tokens = _tokens(config)
    rows = {token: row for row, token in enumerate(tokens)}
    ends = ("<s>", "</s>", f"[{source}]")
    special = [token for token in tokens if not token.isdigit()]
    piece = {token: {"SpecialToken": {"id": token, "type_id": 0}} for token in ends}

    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": rows[token], "content": token, "special": True}
            | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
            for token in special
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece["<s>"], {"Sequence": {"id": "A", "type_id": 0}}, piece["</s>"], piece[f"[{source}]"]],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {token: {"id": token, "ids": [rows[token]], "tokens": [token]} for token in ends},
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": rows, "unk_token": "<unk>"},
    }


def _tokenizer_config(config: TranslatorConfig) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
        "model_max_length": config.max_source_positions,
        "clean_up_tokenization_spaces": False,
    }


def _card(checkpoint: Checkpoint, config: TranslatorConfig, source: str, target: str) -> str:
    vocabulary, task = checkpoint.config.get("vocabulary") or "not stated", checkpoint.config["task"]
    lengths = "; ".join(f"`{_tokens(config)[row]}` {name}" for name, row in LENGTH_TAGS.items())
    sentences = [f"- A source begins with a mark that asks for a length: {lengths}."] if task.get("length_tags") else []
    if task.get("merged_units"):
        sentences.append("- It was trained on units without repeats, and its search there never repeats one; `generate` may.")
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: translation",
        "---",
        f"# Units of speech, {source} to {target}",
        "",
        f"A translator of discrete units of speech ({config.vocabulary.num_units} units, quantizer {vocabulary}), no text.",
        "Its licence is that of the checkpoint that it was made from.",
        "",
        "```python",
        "from transformers import AutoTokenizer, M2M100ForConditionalGeneration",
        "",
        'model = M2M100ForConditionalGeneration.from_pretrained("FOLDER")',
        'tokenizer = AutoTokenizer.from_pretrained("FOLDER")',
        'source = tokenizer("63 644 553 258", return_tensors="pt", return_token_type_ids=False)',
        "print(tokenizer.decode(model.generate(**source)[0], skip_special_tokens=True))",
        "```",
        "",
        "- Units of a source have no repeats: 5 5 5 7 is given as 5 7.",
        f"- Another target: `generate(..., decoder_start_token_id=tag, eos_token_id=tag, forced_eos_token_id=tag)`, and the tag of "
        f"`[{target}]` in `suppress_tokens` in its place.",
        f"- To train, `labels` are what the decoder writes: units, `</s>`, `[{target}]`; the model shifts them itself.",
        *sentences,
        "- Back to NetfLips: `netflips convert FOLDER -o translator.safetensors`.",
        "",
    ]

    return "\n".join(lines)
