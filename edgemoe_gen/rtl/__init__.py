"""RTL: the library of SystemVerilog modules, and their simulation with Verilator."""
