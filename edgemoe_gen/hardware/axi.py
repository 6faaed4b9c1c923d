"""What the ports to memory are told (pragma INTERFACE m_axi), each with its reason: one place for kernels and table.

`AXI_LATENCY`: cycles for which C synthesis schedules between a request and its data. "If this figure is too low, the
design will be ready too soon and may stall waiting for the bus. If this figure is too high, bus access may be granted
but the bus may stall waiting on the design" (UG1399, "Controlling AXI4 Burst Behavior"). Our processes at the ports do
nothing but move beats to FIFOs, so a stall costs no more than the wait itself; cycles that are scheduled beyond the
memory's own latency come on top of every burst. So it lies below what a memory takes at any clock above 210 MHz:
180 ns (`timing/families`) are 38 cycles there, which is this and the states that a request takes besides.
"""

AXI_LATENCY = 32
AXI_BURST = 16  # beats: the processing system's ports speak AXI3 inside (UG1085)
AXI_OUTSTANDING = 16  # bursts: more than the latency takes at a beat a cycle
