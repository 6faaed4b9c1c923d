"""The build: named stages from a project to a simulated, reported, synthesised and packaged accelerator.

A stage is skipped when its inputs have not changed, and an interrupted build continues at the same stage.
"""
