"""`python -m edgemoe_gen`: the same as the command `edgemoe-gen`."""

from edgemoe_gen.cli import main

main()
