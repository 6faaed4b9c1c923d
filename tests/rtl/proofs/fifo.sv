// What edgemoe_fifo promises, for every sequence of writes and reads: it holds as many elements as were written and not
// read, never more than DEPTH; says so; and gives each of them once, in order.
module prove_fifo #(
    parameter WIDTH = 2,
    parameter DEPTH = 2,
    parameter [87:0] STYLE = "srl"
) (
    input logic ap_clk,
    input logic [WIDTH-1:0] din,
    input logic write,
    input logic read,
    input logic mark  // which element is followed, any one
);
  localparam FLOW = DEPTH == 1;
  localparam COUNT_BITS = $clog2(DEPTH + 2);
  logic ap_rst_n = 0;
  always_ff @(posedge ap_clk) ap_rst_n <= 1;

  logic [WIDTH-1:0] dout;
  logic full_n, empty_n;
  logic [$clog2(DEPTH+1)-1:0] occupancy;
  edgemoe_fifo #(.WIDTH(WIDTH), .DEPTH(DEPTH), .STYLE(STYLE)) fifo (.*);

  logic push, pop;
  assign push = ap_rst_n && write && full_n;
  assign pop = ap_rst_n && read && empty_n;
  logic [COUNT_BITS-1:0] count = 0, ahead = 0;
  logic followed = 0;
  logic [WIDTH-1:0] value;
  always_ff @(posedge ap_clk) begin
    count <= count + COUNT_BITS'(push) - COUNT_BITS'(pop);
    if (push && mark && !followed) begin
      followed <= 1;
      value <= din;
      ahead <= count - COUNT_BITS'(pop);
    end else if (followed && pop) begin
      followed <= ahead != 0;
      ahead <= ahead - COUNT_BITS'(1);
    end
  end

  always_comb if (ap_rst_n) begin
    no_overflow: assert (count <= DEPTH);
    room: assert (full_n == (count < DEPTH || (FLOW && read)));
    there: assert (empty_n == (count != 0));
    fill: assert (occupancy == count);
    if (followed) kept: assert (ahead < count);
    if (followed && ahead == 0) once_in_order: assert (empty_n && dout == value);
  end
endmodule
