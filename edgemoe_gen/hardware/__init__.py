"""Facts of the hardware, each written once: boards, names, memories, ring, AXI, the operation's fields.

Python reads the facts here, and the kernels' files are rendered from them.
"""
