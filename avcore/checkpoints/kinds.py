"""The kinds of model that a dub is made with, and the flags that take them."""

import enum


class Kind(enum.Enum):
    """What a checkpoint is for; the value is its name in messages."""

    UNIT_ENCODER = "unit encoder"
    TRANSLATOR = "unit translator"
    RENDERER = "renderer"
    SPEAKER_ENCODER = "speaker encoder"
    SPELLER = "speller"

    @property
    def flag(self) -> str:
        """The command-line option that takes it."""
        return _FLAGS[self][0]

    @property
    def example(self) -> str:
        """The published file of this kind."""
        return _FLAGS[self][1]


_FLAGS = {
    Kind.UNIT_ENCODER: ("--av2unit-path", "mavhubert_large_noise.pt"),
    Kind.TRANSLATOR: ("--utut-path", "utut_ko.pt or utut_sts_ft.pt"),
    Kind.RENDERER: ("--unit2av-path", "unit_av_renderer_withKO.pt"),
    Kind.SPEAKER_ENCODER: ("--speaker-encoder-path", "encoder.pt"),
    Kind.SPELLER: ("--text2unit-path", "text2unit.safetensors"),
}
