// FIFO between two processes, with the signals of Vitis HLS.
//
// - An element is written where `write` and `full_n` are set, and read where `read` and `empty_n` are set: a write to a
//   full FIFO and a read of an empty one do nothing.
// - First-word fall-through: where `empty_n` is set, `dout` is the oldest element.
// - An element that is written in a cycle can be read in the next one, whatever the style. Its place can be written in
//   the cycle after its read. So a FIFO of two places or more passes an element every cycle.
// - One of a single place would pass one every second cycle. By default it is therefore `FLOW`ing: while it is full it
//   takes an element in the cycle in which it gives one, and `full_n` follows `read` combinationally.
// - `occupancy` counts the elements: its maximum over a run is the fill that the FIFO needs.
//
// Styles: "registers", "srl" (shift registers in look-up tables), "distributed", "block", "ultra".

/* verilator lint_off DECLFILENAME */  // modules carry the project's name, since a block design is one name space
module edgemoe_fifo #(
    parameter int WIDTH = 32,
    parameter int DEPTH = 2,
    parameter logic [87:0] STYLE = "srl",
    parameter bit FLOW = DEPTH == 1
) (
    input logic ap_clk,
    input logic ap_rst_n,
    input logic [WIDTH-1:0] din,
    input logic write,
    output logic full_n,
    output logic [WIDTH-1:0] dout,
    output logic empty_n,
    input logic read,
    output logic [$clog2(DEPTH+1)-1:0] occupancy
);
  localparam int COUNT_BITS = $clog2(DEPTH + 1);
  localparam int PLACE_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam logic [COUNT_BITS-1:0] ALMOST = COUNT_BITS'(DEPTH - 1);
  localparam logic [COUNT_BITS-1:0] ONE = COUNT_BITS'(1);
  localparam logic [PLACE_BITS-1:0] LAST = PLACE_BITS'(DEPTH - 1);

  // Both conditions lie in registers of their own, since processes stall by them.
  logic has_room, has_element;
  logic push, pop;
  assign full_n = FLOW ? has_room || read : has_room;
  assign empty_n = has_element;
  assign push = write && full_n;
  assign pop = read && empty_n;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      occupancy <= '0;
      has_room <= 1'b1;
      has_element <= 1'b0;
    end else if (push && !pop) begin
      occupancy <= occupancy + ONE;
      has_room <= occupancy != ALMOST;
      has_element <= 1'b1;
    end else if (pop && !push) begin
      occupancy <= occupancy - ONE;
      has_room <= 1'b1;
      has_element <= occupancy != ONE;
    end
  end

  if (STYLE == "registers" || STYLE == "srl") begin : g_shift
    // The newest element enters at place 0; the oldest one lies at `oldest`.
    logic [PLACE_BITS-1:0] oldest;
    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) oldest <= '0;
      else if (push && !pop && has_element) oldest <= oldest + PLACE_BITS'(1);
      else if (pop && !push && oldest != '0) oldest <= oldest - PLACE_BITS'(1);
    end
    // A register of its own for each bit, since tools know a shift register with a tap by a vector and its index.
    for (genvar b = 0; b < WIDTH; b++) begin : g_bit
      if (STYLE == "srl") begin : g_srl
        (* srl_style = "srl" *) logic [DEPTH-1:0] places;
        always_ff @(posedge ap_clk) if (push) places <= DEPTH'({places, din[b]});
        assign dout[b] = places[oldest];
      end else begin : g_registers
        (* srl_style = "register" *) logic [DEPTH-1:0] places;
        always_ff @(posedge ap_clk) if (push) places <= DEPTH'({places, din[b]});
        assign dout[b] = places[oldest];
      end
    end
  end else begin : g_memory
    // The memory is read in every cycle, where the oldest element will be in the next one. An element that is written
    // there in the same cycle comes by `newest` instead, for that one cycle.
    logic [PLACE_BITS-1:0] first, free, following;
    logic [WIDTH-1:0] newest, stored;
    logic is_newest;
    assign following = !pop ? first : first == LAST ? '0 : first + PLACE_BITS'(1);
    assign dout = is_newest ? newest : stored;
    always_ff @(posedge ap_clk) begin
      first <= following;
      if (push) free <= free == LAST ? '0 : free + PLACE_BITS'(1);
      if (!ap_rst_n) begin
        first <= '0;
        free <= '0;
      end
    end
    always_ff @(posedge ap_clk) begin
      newest <= din;
      is_newest <= push && free == following;
    end
    edgemoe_memory #(
        .WIDTH(WIDTH),
        .DEPTH(DEPTH),
        .STYLE(STYLE)
    ) memory (
        .ap_clk(ap_clk),
        .write_enable(push),
        .write_address(free),
        .write_data(din),
        .read_enable(1'b1),
        .read_address(following),
        .read_data(stored)
    );
  end
endmodule
