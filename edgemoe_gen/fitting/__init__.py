"""Default knobs for a network on a board, chosen by estimated cycles and resources."""
