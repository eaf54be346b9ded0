"""How much is measured, and on what."""

from dataclasses import dataclass

from avcore.errors import UsageError

CLEAN = ("audio,video", "audio", "video")


@dataclass(frozen=True)
class EvaluationSettings:
    """number: utterances of a row. seed: of all that is drawn by lot.

    snrs_db: of the sweep, besides the `noise_db` that has a row of its own, on `sweep_number` utterances. ceiling_number: on
    how many drawn truths the measure of the mouth is itself measured. baseline_number: utterances for weights that know nothing,
    which are slow to translate. condition_number: utterances of rows on microphones and on lips that do not belong, at most;
    other_number: of each other synthesiser. side: of the pictures, in pixels. sentences: 0 = all of the phrasebook are references,
    which is what any figure is worth reading for; tests take fewer. edition: of the bundle's phrasebook
    (`workshop.voices.cast`); a bundle that names none has the first.
    """

    number: int = 200
    seed: int = 20
    noise_db: float = 0.0
    snrs_db: tuple[float, ...] = (20.0, 15.0, 10.0, 5.0, -5.0, -10.0)
    sweep_number: int = 50
    ceiling_number: int = 20
    baseline_number: int = 50
    condition_number: int = 100
    other_number: int = 50
    side: int = 256
    sentences: int = 0
    edition: int = 1

    def __post_init__(self) -> None:
        if self.number < 1:
            raise UsageError("--number must be 1 or more", found=self.number)
