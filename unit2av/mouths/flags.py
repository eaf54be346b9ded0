"""The options of all commands that move lips, and what they mean; cheap to import."""

import argparse
from dataclasses import dataclass
from pathlib import Path

AUTO, UNITS, WAV2LIP, MESH = MOUTHS = ("auto", "units", "wav2lip", "mesh")


@dataclass(frozen=True)
class MouthChoice:
    """Which mouth, and its files.

    name: one of MOUTHS; auto = wav2lip where its file is given, mesh where there is a table for the units, else units. table:
    None = `mouth.npz` beside the renderer. wav2lip: its checkpoint. is_published: Wav2Lip's published timing. is_hard: patches
    of 96 x 96 are pasted whole and without a soft edge.
    """

    name: str = AUTO
    table: Path | None = None
    wav2lip: Path | None = None
    is_published: bool = False
    is_hard: bool = False


def add_mouth_options(group: argparse._ActionsContainer) -> None:
    """Add --mouth, --mouth-table, --wav2lip-path and --published-timing."""
    group.add_argument(
        "--mouth",
        choices=MOUTHS,
        default=AUTO,
        help="how lips are moved: units (the face renderer), wav2lip (its network, from the sound), mesh (the person's own pixels, "
        "at full resolution), or auto: wav2lip with --wav2lip-path, mesh with a table for the units, else units (default: auto)",
    )
    group.add_argument(
        "--mouth-table", type=Path, metavar="FILE", help="for mesh: a table of unit2av.train_mouth (default: beside the renderer)"
    )
    group.add_argument("--wav2lip-path", type=Path, metavar="FILE", help="for wav2lip: wav2lip.pth or wav2lip_gan.pth")
    group.add_argument(
        "--published-timing",
        action="store_true",
        help="for wav2lip: lips 40 ms early as its own program has them (default: as its network was trained)",
    )


def mouth_choice(options: argparse.Namespace, is_hard: bool = False) -> MouthChoice:
    """What the options ask for."""
    return MouthChoice(options.mouth, options.mouth_table, options.wav2lip_path, options.published_timing, is_hard)
