"""The audio-visual unit encoder: two front ends, a transformer, two unit heads."""
