// Simple dual-port RAM: one port writes, the other one reads, by one clock.
//
// Writing: word `write_address` takes the lanes of `write_data` whose bit of `write_enable` is set. A lane is
// WIDTH / LANES bits. RAMB36E2 and URAM288 have write enables for every 9 bits (or 8): other lanes take a primitive each.
//
// Reading takes LATENCY cycles; stage s moves where `read_enable[s]` is set, so a pipeline that stalls holds what it reads.
//
// Order: a read sees every write of earlier cycles. What a read of the very address that is written in the same cycle
// gives is undefined: block RAM would give the old word, UltraRAM the new one. Kernels never do that: their DEPENDENCE
// pragmas let a read of an address begin later than the write, and no process reads what another one writes. A
// simulation gives the complement of the old lanes, so that whoever relies on either is found.
//
// Nothing here is reset: like on the chip, words are what was written last.

/* verilator lint_off DECLFILENAME */  // modules carry the project's name, since a block design is one name space
module edgemoe_memory #(
    parameter int WIDTH = 32,
    parameter int DEPTH = 512,
    parameter int LANES = 1,  // divides WIDTH
    parameter int LATENCY = 1,  // 1 to 3
    parameter logic [87:0] STYLE = "block"  // "block", "ultra", "distributed", "registers"
) (
    input logic ap_clk,
    input logic [LANES-1:0] write_enable,
    input logic [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] write_address,
    input logic [WIDTH-1:0] write_data,
    input logic [LATENCY-1:0] read_enable,
    input logic [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] read_address,
    output logic [WIDTH-1:0] read_data
);
  localparam int LANE = WIDTH / LANES;
  if (LANE * LANES != WIDTH || LATENCY < 1) begin : g_refused
    $error("edgemoe_memory: LANES does not divide WIDTH, or LATENCY is below 1");
  end

  logic [WIDTH-1:0] stage[LATENCY];  // what was read, by its age
  assign read_data = stage[LATENCY-1];

  for (genvar s = 1; s < LATENCY; s++) begin : g_later
    always_ff @(posedge ap_clk) if (read_enable[s]) stage[s] <= stage[s-1];
  end

  // A simulation's mask of what collides; synthesis sees none.
  logic [WIDTH-1:0] collides;
`ifdef SYNTHESIS
  assign collides = '0;
`else
  for (genvar l = 0; l < LANES; l++) begin : g_collides
    assign collides[l*LANE+:LANE] = {LANE{write_enable[l] && write_address == read_address}};
  end
`endif

  // The same body four times: an attribute's value must be a literal for some tools.
  if (STYLE == "ultra") begin : g_ultra
    (* ram_style = "ultra" *) logic [WIDTH-1:0] words[DEPTH];
    always_ff @(posedge ap_clk) begin
      for (int l = 0; l < LANES; l++) begin
        if (write_enable[l]) words[write_address][l*LANE+:LANE] <= write_data[l*LANE+:LANE];
      end
    end
    always_ff @(posedge ap_clk) if (read_enable[0]) stage[0] <= words[read_address] ^ collides;
  end else if (STYLE == "distributed") begin : g_distributed
    (* ram_style = "distributed" *) logic [WIDTH-1:0] words[DEPTH];
    always_ff @(posedge ap_clk) begin
      for (int l = 0; l < LANES; l++) begin
        if (write_enable[l]) words[write_address][l*LANE+:LANE] <= write_data[l*LANE+:LANE];
      end
    end
    always_ff @(posedge ap_clk) if (read_enable[0]) stage[0] <= words[read_address] ^ collides;
  end else if (STYLE == "registers") begin : g_registers
    (* ram_style = "registers" *) logic [WIDTH-1:0] words[DEPTH];
    always_ff @(posedge ap_clk) begin
      for (int l = 0; l < LANES; l++) begin
        if (write_enable[l]) words[write_address][l*LANE+:LANE] <= write_data[l*LANE+:LANE];
      end
    end
    always_ff @(posedge ap_clk) if (read_enable[0]) stage[0] <= words[read_address] ^ collides;
  end else if (STYLE == "block") begin : g_block
    (* ram_style = "block" *) logic [WIDTH-1:0] words[DEPTH];
    always_ff @(posedge ap_clk) begin
      for (int l = 0; l < LANES; l++) begin
        if (write_enable[l]) words[write_address][l*LANE+:LANE] <= write_data[l*LANE+:LANE];
      end
    end
    always_ff @(posedge ap_clk) if (read_enable[0]) stage[0] <= words[read_address] ^ collides;
  end else begin : g_unknown
    $error("edgemoe_memory: STYLE is none of block, ultra, distributed, registers");
  end
endmodule
