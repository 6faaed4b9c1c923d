"""The build: named stages from a project to a simulated, reported, synthesised and packaged accelerator.

Each is skipped when nothing changed, and an interrupted build goes on where it was.
"""
