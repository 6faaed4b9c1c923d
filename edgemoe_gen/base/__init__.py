"""The base of all other packages: errors, files, readers of foreign texts, locks, version.

Nothing here imports another package of edgemoe_gen.
"""
