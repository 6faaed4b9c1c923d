// ROM: word `read_address`, LATENCY cycles later; stage s moves where `read_enable[s]` is set, as in memory.sv.
//
// Its words come from CONTENT (word 0 in the lowest bits) or, where FILE is not empty, from that file of hexadecimal
// words. A parameter needs no file beside the sources; a file suits tables of many kilobits.

/* verilator lint_off DECLFILENAME */  // modules carry the project's name, since a block design is one name space
module edgemoe_rom #(
    parameter int WIDTH = 32,
    parameter int DEPTH = 64,
    parameter int LATENCY = 1,  // 1 or more
    parameter logic [87:0] STYLE = "distributed",  // "distributed" or "block"
    parameter FILE = "",
    parameter logic [WIDTH*DEPTH-1:0] CONTENT = '0
) (
    input logic ap_clk,
    input logic [LATENCY-1:0] read_enable,
    input logic [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] read_address,
    output logic [WIDTH-1:0] read_data
);
  logic [WIDTH-1:0] stage[LATENCY];
  assign read_data = stage[LATENCY-1];

  for (genvar s = 1; s < LATENCY; s++) begin : g_later
    always_ff @(posedge ap_clk) if (read_enable[s]) stage[s] <= stage[s-1];
  end

  // Twice the same body: an attribute's value must be a literal for some tools.
  if (STYLE == "block") begin : g_block
    (* rom_style = "block" *) logic [WIDTH-1:0] words[DEPTH];
    if (FILE != "") begin : g_file
      initial $readmemh(FILE, words);
    end else begin : g_content
      initial for (int i = 0; i < DEPTH; i++) words[i] = CONTENT[i*WIDTH+:WIDTH];
    end
    always_ff @(posedge ap_clk) if (read_enable[0]) stage[0] <= words[read_address];
  end else if (STYLE == "distributed") begin : g_distributed
`ifdef YOSYS  // for which look-up tables are logic, and distributed memory is what can be written
    (* rom_style = "logic" *)
`else
    (* rom_style = "distributed" *)
`endif
    logic [WIDTH-1:0] words[DEPTH];
    if (FILE != "") begin : g_file
      initial $readmemh(FILE, words);
    end else begin : g_content
      initial for (int i = 0; i < DEPTH; i++) words[i] = CONTENT[i*WIDTH+:WIDTH];
    end
    always_ff @(posedge ap_clk) if (read_enable[0]) stage[0] <= words[read_address];
  end else begin : g_unknown
    $error("edgemoe_rom: STYLE is none of block, distributed");
  end
endmodule
