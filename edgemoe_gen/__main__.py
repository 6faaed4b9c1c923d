"""`python -m edgemoe_gen`: the same as the command `edgemoe-gen`."""

import sys

from edgemoe_gen.cli import main

if __name__ == "__main__":
    sys.exit(main())
