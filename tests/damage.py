"""What becomes of files when machines fail: cut short, zeroed, emptied, a hole in the middle."""

DAMAGES = ("cut", "zero", "empty", "hole")


def damaged(content: bytes, how: str) -> bytes:
    """The content of a file, damaged in one of the ways of DAMAGES, or `longer` than it was."""
    half, tenth = len(content) // 2, max(len(content) // 10, 1)
    return {
        "cut": content[:half],
        "zero": bytes(len(content)),
        "empty": b"",
        "hole": content[:half] + bytes(tenth) + content[half + tenth :],
        "longer": content + b"0",
    }[how]
