"""Lips for any speech: a video of somebody who talks, and other speech that the lips shall say."""
