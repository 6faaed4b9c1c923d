// What edgemoe_axi_read promises, for every sequence of requests, every memory that keeps to AXI4 and every reader: AXI's
// rules for the address channel and for bursts; every beat that was requested is asked for once, at its address, and
// given once, in order; the memory never waits.
module prove_axi_read #(
    parameter INDEX_BITS = 3,
    parameter MAX_BURST = 2,
    parameter OUTSTANDING = 2,
    parameter BUFFER = 4,
    parameter REQUESTS = 2,
    parameter STOP = 0  // whether what is asked for may be given up; then AXI's rules alone are looked at
) (
    input logic ap_clk,
    input logic [INDEX_BITS-1:0] request_first,
    input logic [INDEX_BITS-1:0] request_beats,
    input logic request_write,
    input logic beat_read,
    input logic stops,
    input logic m_axi_arready,
    input logic bit_in,
    input logic [1:0] m_axi_rresp,
    input logic m_axi_rlast,
    input logic m_axi_rvalid,
    input logic mark_request,  // which request is followed, any one; which beat
    input logic mark_beat
);
  localparam ADDRESS_BITS = 13;
  localparam SUM = INDEX_BITS + $clog2(REQUESTS + 2);  // of beats that are asked for
  localparam FILL = $clog2(BUFFER + 2);
  localparam BEATS = $clog2(MAX_BURST + 1);
  logic ap_rst_n = 0, m_axi_rready, m_axi_arvalid, request_full_n, beat_empty_n, idle, stop;
  always_ff @(posedge ap_clk) ap_rst_n <= 1;
  (* anyconst *) logic [ADDRESS_BITS-1:0] base;
  logic [ADDRESS_BITS-1:0] m_axi_araddr;
  logic [31:0] beat_dout, m_axi_rdata;
  logic [7:0] m_axi_arlen;
  logic [2:0] m_axi_arsize, m_axi_arprot;
  logic [1:0] m_axi_arburst, error;
  logic [3:0] m_axi_arcache, m_axi_arqos, m_axi_arregion;
  logic m_axi_arid, m_axi_arlock, m_axi_rid;
  assign m_axi_rdata = {32{bit_in}};  // one bit is enough to tell a beat from another one
  assign stop = STOP != 0 && stops && ap_rst_n;
  edgemoe_axi_read #(
      .DATA_BITS(32), .ADDRESS_BITS(ADDRESS_BITS), .INDEX_BITS(INDEX_BITS), .MAX_BURST(MAX_BURST),
      .OUTSTANDING(OUTSTANDING), .REQUESTS(REQUESTS), .BUFFER(BUFFER), .STYLE("registers")
  ) master (.*);

  // The memory: bursts that it has taken, the oldest one's beats left first.
  logic asked, arrived, ends;
  logic [BEATS-1:0] beats, oldest = 0, second = 0;
  logic [1:0] bursts = 0;
  assign beats = m_axi_arlen + 1;
  assign asked = ap_rst_n && m_axi_arvalid && m_axi_arready;
  assign arrived = ap_rst_n && m_axi_rvalid;
  assign ends = arrived && oldest == 1;
  always_ff @(posedge ap_clk) begin
    if (arrived) oldest <= oldest - 1;
    if (ends) oldest <= second;
    if (asked && bursts - ends == 0) oldest <= beats;
    if (asked && bursts - ends == 1) second <= beats;
    bursts <= bursts + asked - ends;
  end
  always_comb assume (!m_axi_rvalid || (bursts != 0 && ap_rst_n));
  always_comb assume (m_axi_rlast == (oldest == 1));
  // Whoever gives up goes on until nothing is under way.
  logic stopped = 0, stop_before = 0;
  always_ff @(posedge ap_clk) begin
    stopped <= stop && !idle;
    stop_before <= stop;
  end
  always_comb assume (!stopped || stop);

  // Beats that were requested and not asked for; those that arrived and were not taken.
  logic accepted, taken;
  logic [SUM-1:0] owed = 0;
  logic [FILL-1:0] held = 0;
  assign accepted = ap_rst_n && request_write && request_full_n;
  assign taken = ap_rst_n && beat_read && beat_empty_n;
  always_ff @(posedge ap_clk) begin
    owed <= owed + (accepted ? request_beats : 0) - (asked ? beats : 0);
    held <= held + arrived - taken;
  end

  // The first bad answer.
  logic [1:0] bad = 0;
  always_ff @(posedge ap_clk) if (arrived && m_axi_rresp[1] && bad == 0) bad <= m_axi_rresp;

  // One request: beats before it, its next address, its beats left. One beat.
  logic request_followed = 0, beat_followed = 0, value;
  logic [SUM-1:0] before = 0;
  logic [FILL-1:0] ahead = 0;
  logic [INDEX_BITS-1:0] left = 0;
  logic [ADDRESS_BITS-1:0] address;
  always_ff @(posedge ap_clk) begin
    if (accepted && mark_request && !request_followed) begin
      request_followed <= 1;
      before <= owed - (asked ? beats : 0);
      left <= request_beats;
      address <= {base[ADDRESS_BITS-1:2], 2'b0} + {request_first, 2'b0};
    end else if (asked && request_followed) begin
      if (before != 0) before <= before - beats;
      else if (left != 0) begin
        left <= left - beats;
        address <= address + {beats, 2'b0};
      end
    end
    if (arrived && mark_beat && !beat_followed) begin
      beat_followed <= 1;
      ahead <= held - taken;
      value <= bit_in;
    end else if (beat_followed && taken) begin
      beat_followed <= ahead != 0;
      ahead <= ahead - 1;
    end
  end

  // AXI: an address stays until it is taken, a burst lies in one page and is no longer than allowed.
  logic waits = 0;
  logic [ADDRESS_BITS-1:0] old_address;
  logic [7:0] old_beats;
  always_ff @(posedge ap_clk) begin
    waits <= ap_rst_n && m_axi_arvalid && !m_axi_arready;
    old_address <= m_axi_araddr;
    old_beats <= m_axi_arlen;
  end
  always_comb if (ap_rst_n) begin
    if (waits) stays: assert (m_axi_arvalid && m_axi_araddr == old_address && m_axi_arlen == old_beats);
    if (m_axi_arvalid) within_a_page: assert ({1'b0, m_axi_araddr[11:2]} + m_axi_arlen < 1024);
    if (m_axi_arvalid) length: assert (m_axi_arlen < MAX_BURST && m_axi_araddr[1:0] == 0);
    constants: assert (m_axi_arburst == 1 && m_axi_arsize == 2);
    on_their_way: assert (bursts <= OUTSTANDING);
    if (bursts != 0) never_waits: assert (m_axi_rready);
    if (idle) none_on_its_way: assert (bursts == 0);
    if (stop_before && !waits) gives_up: assert (!m_axi_arvalid);
    if (STOP == 0) begin
      keeps_error: assert (error == bad);
      if (asked) not_asked_twice: assert (beats <= owed);
      if (idle) none_forgotten: assert (owed == 0);
      if (asked && request_followed && before != 0) no_burst_of_two: assert (beats <= before);
      if (asked && request_followed && before == 0 && left != 0)
        at_its_address: assert (m_axi_araddr == address && beats <= left);
      no_overflow: assert (held <= BUFFER);
      there: assert (beat_empty_n == (held != 0));
      if (beat_followed && ahead == 0) once_in_order: assert (beat_empty_n && beat_dout == {32{value}});
    end
  end
endmodule
