"""What the server tells a visitor of an error: without flags of its command line, and in Korean where the page is."""

from starlette.responses import JSONResponse, Response

from avcore.words import known_clause

_NOT_DONE = "the server could not do it"
_WAYS_OUT = {
    "it has no sound to take the voice from": "choose a recording as the Voice",
    "there is no usable speech to take the voice from": "choose a recording as the Voice",
}
"""What a visitor can do, where the command's way out is a flag."""


def told(error: str) -> dict[str, str]:
    """Return one line of an error (a file, a clause, and what more there is to say, with `; ` between) in both languages."""
    head = error.partition("; ")[0]
    path, colon, clause = head.rpartition(": ")
    parts = [*(part for part in error.split("; ") if "--" not in part), _WAYS_OUT.get(clause)]
    plain = "; ".join(part for part in parts if part)
    korean = known_clause(clause) or f"{known_clause(_NOT_DONE)} ({clause})"
    return {"error": plain, "error_ko": f"{path}{colon}{korean}." if plain else ""}


def refusal(status: int, text: str) -> Response:
    """Return the answer to what cannot be."""
    return JSONResponse(told(text), status_code=status)
