"""Scripts of older formats: what a person worked on is brought over, what a dub found out is left to the next dub."""

from collections.abc import Mapping
from typing import Any

OLDER = ("netflips-script-1", "netflips-script-2")
_OF_SCRIPT = ("source", "target", "schedule", "media", "cuts", "speakers", "utterances", "terms", "titles", "consent")
_OF_UTTERANCE = ("number", "place", "speaker", "text", "target", "alternatives")
_NAMES = {"takes": "alternatives", "said_by": "spoken_by", "said": "spoken", "picture_s": "video_s"}
_VALUES = {("by", "recogniser"): "recognizer", ("by", "heard"): "source", ("schedule", "to_and_fro"): "ping_pong"}
_OWN_NAMES = ("titles", "glossary")
"""Objects whose names are a person's, not those of the format."""


def brought_over(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of a script of an older format in today's, without `format`."""
    script: dict[str, Any] = _renamed({name: value for name, value in content.items() if name in _OF_SCRIPT})
    if isinstance(utterances := script.get("utterances"), list):
        script["utterances"] = [
            {name: value for name, value in utterance.items() if name in _OF_UTTERANCE}
            if isinstance(utterance, dict)
            else utterance
            for utterance in utterances
        ]
    return script


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(one) for one in value]
    if not isinstance(value, dict):
        return value
    named = {name: one if name in _OWN_NAMES else _renamed(one) for name, one in value.items()}
    return {_NAMES.get(name, name): _VALUES.get((name, one), one) if isinstance(one, str) else one for name, one in named.items()}
