"""The small models that come with NetfLips: packing them, checking them, and finding out what they do not know."""
