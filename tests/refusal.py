"""What must be refused: a call that ends in one clear line."""

from collections.abc import Callable

import pytest


def refused(error: type[BaseException], says: str, call: Callable[..., object], *given: object, **named: object) -> str:
    """Call what must raise `error` with a message of one line that matches `says` ("" = any); returns it."""
    with pytest.raises(error, match=says or None) as caught:
        call(*given, **named)
    message = str(caught.value)
    assert "\n" not in message
    return message
