// Splits requests into AXI4 bursts: both axi_read.sv and axi_write.sv ask by this.
//
// A request is `request_beats` beats from beat `request_first` of a buffer at byte address `base` on; `base` is read when
// a request is begun, and its bits below a beat count as 0. No request is too long, and one of 0 beats asks for nothing.
// A burst has at most MAX_BURST beats and never crosses a boundary of 4 KiB, which AXI4 forbids.
// A burst is at `burst_address` where `burst_valid` is set, and goes in the cycle in which `burst_ready` is set too: one a
// cycle, also from request to request.

/* verilator lint_off DECLFILENAME */  // modules carry the project's name, since a block design is one name space
module edgemoe_axi_bursts #(
    parameter int DATA_BITS = 128,  // 32 to 1024, a power of two
    parameter int ADDRESS_BITS = 64,
    parameter int INDEX_BITS = 32,
    parameter int MAX_BURST = 16,  // 2 to 256
    parameter int REQUESTS = 4
) (
    input logic ap_clk,
    input logic ap_rst_n,
    input logic [ADDRESS_BITS-1:0] base,
    input logic [INDEX_BITS-1:0] request_first,
    input logic [INDEX_BITS-1:0] request_beats,
    input logic request_write,
    output logic request_full_n,
    output logic [ADDRESS_BITS-1:0] burst_address,
    output logic [$clog2(MAX_BURST+1)-1:0] burst_beats,
    output logic burst_valid,
    input logic burst_ready,
    output logic idle
);
  localparam int BEAT_BITS = $clog2(DATA_BITS / 8);  // of an address within a beat
  localparam int PLACE_BITS = 12 - BEAT_BITS;  // of a beat's place in its 4 KiB
  localparam int PAGE_BITS = ADDRESS_BITS - 12;
  localparam int BURST_BITS = $clog2(MAX_BURST + 1);
  localparam int WIDER = (PLACE_BITS + 1 > BURST_BITS) ? PLACE_BITS + 1 : BURST_BITS;
  if (DATA_BITS < 32 || DATA_BITS > 1024 || DATA_BITS != 8 << BEAT_BITS || MAX_BURST < 2 || MAX_BURST > 256) begin : g_refused
    $error("edgemoe_axi_bursts: DATA_BITS is no power of two from 32 to 1024, or MAX_BURST not from 2 to 256");
  end
  localparam logic [PLACE_BITS:0] PAGE_BEATS = (PLACE_BITS + 1)'(1 << PLACE_BITS);

  logic [INDEX_BITS-1:0] first, beats;
  logic waiting, take;
  /* verilator lint_off PINCONNECTEMPTY */  // nobody measures how many requests wait
  edgemoe_fifo #(
      .WIDTH(2 * INDEX_BITS),
      .DEPTH(REQUESTS)
  ) requests (
      .ap_clk(ap_clk),
      .ap_rst_n(ap_rst_n),
      .din({request_first, request_beats}),
      .write(request_write),
      .full_n(request_full_n),
      .dout({first, beats}),
      .empty_n(waiting),
      .read(take),
      .occupancy()
  );
  /* verilator lint_on PINCONNECTEMPTY */

  // The address in two parts: only the lower one is added to, and the upper one counts pages, so that no burst waits for
  // a carry of 64 bits.
  logic [PAGE_BITS-1:0] page;
  logic [PLACE_BITS-1:0] place;
  logic [INDEX_BITS-1:0] left;
  logic [ADDRESS_BITS-1:0] start;
  assign start = base + (ADDRESS_BITS'(first) << BEAT_BITS);

  logic [PLACE_BITS:0] to_boundary;
  logic [BURST_BITS-1:0] at_most, burst;
  assign to_boundary = PAGE_BEATS - {1'b0, place};
  assign at_most = left < INDEX_BITS'(MAX_BURST) ? BURST_BITS'(left) : BURST_BITS'(MAX_BURST);
  assign burst = WIDER'(to_boundary) < WIDER'(at_most) ? BURST_BITS'(to_boundary) : at_most;

  logic goes, is_last;
  assign goes = burst_valid && burst_ready;
  assign is_last = left == INDEX_BITS'(burst);
  assign take = waiting && (!burst_valid || (goes && is_last));
  assign burst_address = {page, place, BEAT_BITS'(0)};
  assign burst_beats = burst;
  assign idle = !waiting && !burst_valid;

  always_ff @(posedge ap_clk) begin
    if (take) begin
      page <= start[ADDRESS_BITS-1:12];
      place <= start[11:BEAT_BITS];
      left <= beats;
      burst_valid <= beats != '0;
    end else if (goes) begin
      place <= place + PLACE_BITS'(burst);  // 0 at the boundary
      if (WIDER'(to_boundary) == WIDER'(burst)) page <= page + PAGE_BITS'(1);
      left <= left - INDEX_BITS'(burst);
      burst_valid <= !is_last;
    end
    if (!ap_rst_n) burst_valid <= 1'b0;
  end

  /* verilator lint_off UNUSEDSIGNAL */  // the address within a beat: buffers begin at a beat
  logic [BEAT_BITS-1:0] unused;
  assign unused = start[BEAT_BITS-1:0];
  /* verilator lint_on UNUSEDSIGNAL */
endmodule
