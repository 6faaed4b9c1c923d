"""Cycles without Vitis: what the timed simulation is told, and what its results mean."""
