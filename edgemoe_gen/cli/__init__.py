"""The command line: `edgemoe-gen`. Commands parse, call one function of `edgemoe_gen.api`, and show what it returns."""

from edgemoe_gen.cli.main import main

__all__ = ["main"]
