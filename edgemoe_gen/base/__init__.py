"""The ground that every room stands on: errors, files, readers of foreign texts, locks, version.

Nothing here imports what stands above.
"""
