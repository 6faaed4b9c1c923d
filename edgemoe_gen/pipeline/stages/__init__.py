"""The stages of a build, one module each; `table.py` lists them in their order.

A stage's module imports heavy modules only where it runs: help, plans and builds with nothing to do read only the
table.
"""
