"""What is so of the hardware, each fact written once: boards, names, memories, ring, AXI, the operation's fields.

Python reads the facts here, and kernels get them rendered.
"""
