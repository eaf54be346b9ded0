"""Units, or the video of a mouth, to text."""

import avcore  # noqa: F401  first: it guards the start, and says how torch's threads wait
