"""Cycles without Vitis: the timing for the timed simulation, and the meaning of its results."""
