"""A made talk, by which the fit of translations to their time is judged."""
