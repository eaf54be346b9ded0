"""A synthetic talk, to evaluate how well translations fit their time."""
