"""The steps that make a bundle from nothing: those of `make train-demo`, and of the shipped bundle, which trains for days.

Each step is a command that a user could run. The unit encoder is trained on one core; on the other core, at the same time, the
translator (on the labels that the encoder is trained on, too), the voices and the face. At the end the translator is trained on the
encoder's own units.

The shipped models have the same steps with settings of their own (configs/shipped). Before these, their material is made in parts.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from avcore.train.entry import CONFIG_FOLDER
from recipes.demo.material.degraded import degraded_files
from recipes.demo.material.phones import Phones
from recipes.demo.recipe.steps import Step, StepRunner
from recipes.demo.voices.cast import DEMO
from text2unit.stage import TEXT2UNIT
from unit2av.voice.named import FILE as VOICES_FILE
from unit2text.stage import UNIT2TEXT

_REPOSITORY = Path(__file__).resolve().parents[3]
DOMAIN = (
    "about 8,200 short English sentences of a phrasebook (travel, time, weather, shopping, family, small talk), spoken by "
    "espeak-ng, flite or Kokoro-82M"
)
CONFIGS = (
    "unit_encoder",
    "unit2unit_labels",
    "unit2unit",
    "vocoder",
    "lips",
    "lips_more",
    "unit2text",
    "text2unit",
    "vocoder_en",
    "vocoder_en_lips",
)
"""Configurations of the trainings, in the folder of the cast."""
_FEW_SENTENCES = 120
PARTS = 24
"""Number of parts of the shipped models' material in each language."""

RENDERER_OF_BOTH = "renderer_of_both"
"""Name of the renderer that is packed, with voices of both languages, without its ending."""


def recipe_steps(folder: Path, seed: int, max_sentences: int, overrides: Sequence[str] = (), people: str = DEMO) -> list[Step]:
    """Return the steps that make five checkpoints and the references in `folder`.

    max_sentences: 60 or more, 0 = all; overrides: `config:key=value`, settings of a training, such as `lips:loop.max_minutes=1`.
    people: the cast of the material, and the folder of the settings.
    """
    data, labels = folder / "data", f"{folder / 'data'}/labels/clean.units.jsonl"
    encoder, voice, begun, renderer, both = (
        str(folder / f"{name}.safetensors") for name in ("unit_encoder", "voice", "faces", "renderer", RENDERER_OF_BOTH)
    )
    text_to_unit = folder / TEXT2UNIT.file_for("ko")
    # With few sentences the usual number of held-out ones would leave too few to train on.
    few_texts = (f"data.hold_out={max_sentences // 4}",) if 0 < max_sentences <= _FEW_SENTENCES else ()

    def module(name: str, *words: object) -> tuple[str, ...]:
        return (sys.executable, "-m", name, *map(str, words))

    def training(name: str, config: str, *words: object) -> tuple[str, ...]:
        own = [override.partition(":")[2] for override in overrides if override.startswith(f"{config}:")]
        return module(name, "--config-name", f"{people}/{config}", f"run_dir={folder / config}", *words, *own)

    def script(name: str, *words: object) -> tuple[str, ...]:
        return (sys.executable, str(_REPOSITORY / "scripts" / name), *map(str, words))

    def extraction(manifest: str, modality: str, out: str) -> tuple[str, ...]:
        return script(
            "extract_units.py", data / manifest, "--out-dir", folder / "units" / out, "--av2unit-path", encoder,
            "--modalities", modality, "--workers", 1, "--cpu",
        )  # fmt: skip

    def translation(config: str, of: Sequence[Path], *words: object) -> tuple[tuple[str, ...], ...]:
        """Pair up units of English takes, and train a translator on them."""
        pairs, prepared = folder / "pairs" / config, folder / "translation" / config
        return (
            module("recipes.demo.material.pairs", "--data", data, "--units", *of, "--text2unit", text_to_unit, "--out-dir", pairs),
            module(
                "unit2unit.utut_finetune.prepare_pairs",
                "--source",
                pairs / "en.jsonl",
                "--target",
                pairs / "ko.jsonl",
                "--out",
                prepared,
                "--group",
                "^s[0-9]+",
                "--overwrite",
            ),
            training("unit2unit.utut_finetune.finetune", config, f"data_dir={prepared}", *words),
        )

    def faces(config: str, *words: object) -> tuple[str, ...]:
        return training(
            "unit2av.train_unit2v",
            config,
            f"data.train={data}/faces.jsonl",
            f"data.units={labels}",
            f"data.cache={folder}/crops",
            *words,
        )

    def english_voice(config: str, manifest: str, begin: object, *words: object) -> tuple[str, ...]:
        return training(
            "unit2av.train_unit2a",
            config,
            f"data.train={data}/{manifest}.jsonl",
            f"data.units={labels}",
            f"init.checkpoint={begin}",
            *words,
        )

    def exported(config: str, *words: str) -> tuple[str, ...]:
        return module("unit2av.train_unit2v", "export", "--checkpoint", _best(folder / config), *words)

    # The shipped voices are of 24 kHz, flite and Festival of 16 as the demo's.
    english, english_lips = ("source_lips", "source_lips") if people == DEMO else ("vocoder_en", "vocoder_en_lips")
    units, of_labels = folder / "units", folder / "unit2unit_labels" / "checkpoints" / "checkpoint_best.pt"
    made = [Step("data", (script("make_demo_data.py", "--out-dir", data, "--seed", seed, "--max-sentences", max_sentences),))]
    if people != DEMO:
        made = _in_parts(folder, seed, max_sentences, people, script, module)
    return [
        *made,
        Step(
            "unit_encoder",
            (
                training(
                    "av2unit.train", "unit_encoder", f"data.train={data}/encoder.jsonl", f"data.train_labels=[{labels}]",
                    f"data.valid={data}/encoder_valid.jsonl", f"data.valid_labels=[{labels}]",
                ),
                module(
                    "av2unit.train", "export", "--run-dir", folder / "unit_encoder", "--out-path", encoder,
                    # A duration penalty is worth as much as ten minutes of training (NOTES.md).
                    "--choose-penalty", "0,0.5,1,2", "--calibrate-agreement", "--device", "cpu",
                ),
            ),
            ("data",),
        ),
        Step(
            "vocoder",
            (
                training("unit2av.train_unit2a", "vocoder", f"data.train={data}/vocoder.jsonl", f"data.units={labels}"),
                module("unit2av.train_unit2a", "export", "--checkpoint", _best(folder / "vocoder"), "--out-path", voice),
            ),
            ("data",),
        ),
        Step(
            "text2unit",
            (
                training("text2unit.train", "text2unit", f"data.train={data}/texts.jsonl", f"data.units={labels}", *few_texts),
                module(
                    "text2unit.train", "export", "--checkpoint", _best(folder / "text2unit"), "--out-path", text_to_unit,
                    "--eight-bits",
                ),
            ),
            ("data",),
        ),
        # Beginning with labels, 0.980 of new sentences came out right, and 0.955 without (NOTES.md).
        Step("unit2unit_labels", translation("unit2unit_labels", [Path(labels)]), ("data", "text2unit")),
        Step("mouth", (module("recipes.demo.recipe.mouth_table", data / "phones.json", folder / "mouth.npz"),), ("data",)),
        Step("voices", (module("recipes.demo.recipe.named_voices", folder / VOICES_FILE),)),
        Step("lips", (faces("lips"), exported("lips", "--out-path", begun)), ("vocoder",)),
        Step(
            "lips_more",
            (faces("lips_more", f"init.checkpoint={begun}"), exported("lips_more", "--into", voice, "--out-path", renderer)),
            ("lips",),
        ),
        # From the Korean voice, because most phones are units of both languages.
        Step("vocoder_en", (english_voice("vocoder_en", english, voice),), ("vocoder",)),
        Step(
            "units",
            (
                extraction("source.jsonl", "audio", "heard"),
                extraction("source_lips.jsonl", "video", "seen"),
            ),
            ("unit_encoder",),
        ),
        # With them fewer of the sentences that it learns are wrong in noise and in other voices: 0.045, then 0.029 (NOTES.md).
        Step(
            "degraded",
            (
                module(
                    "recipes.demo.material.degraded", "--data", data, "--av2unit-path", encoder, "--cast", people,
                    "--out-dir", units,
                ),
            ),
            ("unit_encoder",),
        ),
        Step(
            "unit2unit",
            translation("unit2unit", [units / "heard", units / "seen", *degraded_files(units, people)], f"init={of_labels}"),
            ("units", "degraded", "unit2unit_labels"),
        ),
        Step(
            "unit2text",
            (
                extraction("vocoder.jsonl", "audio", "heard_ko"),
                training(
                    "unit2text.train", "unit2text", f"data.train={data}/texts.jsonl", f"data.units={labels}",
                    f"data.more_units=[{units}/heard,{units}/seen,{units}/heard_ko]", f"data.valid={data}/encoder_valid.jsonl",
                ),
                module(
                    "unit2text.train", "export", "--checkpoint", _best(folder / "unit2text"),
                    "--out-path", folder / UNIT2TEXT.file,
                ),
            ),
            ("units",),
        ),
        Step(
            "vocoder_en_lips",
            (
                english_voice(
                    "vocoder_en_lips", english_lips, _best(folder / "vocoder_en"), f"data.more_units=[{units}/seen]",
                    f"data.speakers={folder}/vocoder_en/speakers.jsonl", f"data.pitch={folder}/vocoder_en/pitch.jsonl",
                    "data.allow_missing=true",
                ),
                module(
                    "unit2av.train_unit2a", "export", "--checkpoint", _best(folder / "vocoder_en_lips"), "--into", renderer,
                    "--out-path", both,
                ),
            ),
            ("units", "vocoder_en", "lips_more"),
        ),
    ]  # fmt: skip


def _in_parts(
    folder: Path,
    seed: int,
    max_sentences: int,
    people: str,
    script: Callable[..., tuple[str, ...]],
    module: Callable[..., tuple[str, ...]],
) -> list[Step]:
    """Return the steps that make the material part by part, Korean first, and join it."""

    def part(language: str, number: int) -> Step:
        words = (
            "--out-dir", folder / "material" / f"{language}_{number:02d}", "--seed", seed, "--max-sentences", max_sentences,
            "--cast", people, "--part", f"{number}/{PARTS}", "--languages", language, "--workers", 0,
        )  # fmt: skip
        return Step(f"{language}_{number:02d}", (script("make_demo_data.py", *words),))

    parts = [part(language, number) for language in ("ko", "en") for number in range(1, PARTS + 1)]
    folders = [folder / "material" / step.name for step in parts]
    join = module("recipes.demo.material.join", *folders, "--out-dir", folder / "data")
    return [*parts, Step("data", (join,), tuple(step.name for step in parts))]


def about(
    runner: StepRunner, steps: Sequence[Step], seed: int, folder: Path, overrides: Sequence[str] = (), people: str = DEMO
) -> dict[str, Any]:
    """Return the description for bundle.json: the domain of the bundle in `folder`, its phones, and how it was made."""
    names = [f"{people}/{name}" for name in CONFIGS]
    configs = {name: (CONFIG_FOLDER / f"{name}.yaml").read_text(encoding="utf-8") for name in names}
    seconds = {step.name: (runner.record(step.name) or {}).get("seconds") for step in steps}
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=_REPOSITORY
    ).stdout.strip()

    phones = Phones.read(folder / "data" / "phones.json")
    made = {"seed": seed, "commit": commit, "seconds": seconds, "overrides": list(overrides), "configs": configs}
    return {"domain": DOMAIN, "phones": list(phones.names), "made": made}


def write_recipe_about(path: Path, content: dict[str, Any]) -> None:
    """Write the description for `netflips bundle pack --about`."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def _best(run_dir: Path) -> Path:
    return run_dir / "checkpoints" / "best.pt"
