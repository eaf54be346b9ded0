"""Text to units of the target voice."""

import avcore  # noqa: F401  first: it guards the start, and says how torch's threads wait
