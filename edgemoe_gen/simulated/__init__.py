"""A simulated board: PYNQ's interfaces over C simulation or RTL, for the unchanged driver."""
