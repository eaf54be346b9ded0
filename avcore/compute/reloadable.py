"""Models that leave memory while they are not needed."""

from collections.abc import Callable
from typing import Generic, TypeVar

from avcore.compute.memory import release_freed_memory

Heavy = TypeVar("Heavy")


class Reloadable(Generic[Heavy]):
    """Something heavy that can be put away; it is loaded again when it is needed next."""

    def __init__(self, value: Heavy, load: Callable[[], Heavy] | None) -> None:
        """load: makes an equal one; None = it cannot be put away."""
        self._value: Heavy | None = value
        self._load = load

    @property
    def value(self) -> Heavy:
        """What is held. Raises what loading raises."""
        if self._value is None:
            assert self._load is not None  # put_away saw to it
            self._value = self._load()
        return self._value

    def put_away(self) -> None:
        """Give its memory back to the system, as far as nobody else holds it."""
        if self._load is not None:
            self._value = None
            release_freed_memory()
