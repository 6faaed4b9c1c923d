"""Parts of `engine.py`: networks, timed runs, the ablation, the published accelerators, tables."""
