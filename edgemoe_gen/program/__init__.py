"""The program that a design runs: descriptors, packing, compilation, files."""
