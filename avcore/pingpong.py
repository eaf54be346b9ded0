"""Playing a stretch of pictures to and fro, when there is more to say than there are pictures."""


def pingpong(step: int, count: int) -> int:
    """Which of `count` pictures is shown at a step: 0 1 2 3 4 3 2 1 0 1 ... for 5; the turning pictures come once.

    One picture is simply repeated. Raises ValueError when there is none.
    """
    if count < 1:
        raise ValueError(f"no pictures to play: {count}")
    if count == 1:
        return 0
    period = 2 * count - 2
    within = step % period
    return within if within < count else period - within
