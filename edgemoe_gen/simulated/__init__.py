"""A board that is not there: PYNQ's interfaces over the C simulation, for the driver as it is."""
