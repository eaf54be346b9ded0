"""The small models that come with NetfLips: pack them, check them, and measure where their domain ends."""
