"""Knobs for a network on a board: what fits it, chosen by the estimate of cycles and resources."""
