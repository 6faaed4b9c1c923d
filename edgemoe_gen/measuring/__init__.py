"""Measurements on a board, simulated or real: frames, power, the session that keeps them."""
