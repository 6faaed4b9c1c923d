"""The stages of a build, one module each; `table.py` lists them in their order.

A stage's module imports what is heavy where it runs: help, plans and builds with nothing to do read the table alone.
"""
