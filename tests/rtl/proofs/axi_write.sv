// What edgemoe_axi_write promises, for every sequence of requests and beats and every memory that keeps to AXI4: AXI's
// rules for both channels and for bursts; every beat that was requested is asked for once, at its address, and every beat
// that was taken is written once, in order; a burst that has begun never waits for a process.
module prove_axi_write #(
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
    input logic bit_in,
    input logic beat_write,
    input logic stops,
    input logic m_axi_awready,
    input logic m_axi_wready,
    input logic [1:0] m_axi_bresp,
    input logic m_axi_bvalid,
    input logic mark_request,  // which request is followed, any one; which beat
    input logic mark_beat
);
  localparam ADDRESS_BITS = 13;
  localparam SUM = INDEX_BITS + $clog2(REQUESTS + 2);  // of beats that are asked for
  localparam FILL = $clog2(BUFFER + 2);
  localparam BEATS = $clog2(MAX_BURST + 1);
  logic ap_rst_n = 0, m_axi_awvalid, m_axi_wvalid, m_axi_wlast, m_axi_bready, request_full_n, beat_full_n, idle, stop;
  always_ff @(posedge ap_clk) ap_rst_n <= 1;
  (* anyconst *) logic [ADDRESS_BITS-1:0] base;
  logic [ADDRESS_BITS-1:0] m_axi_awaddr;
  logic [31:0] beat_din, m_axi_wdata;
  logic [3:0] m_axi_wstrb, m_axi_awcache, m_axi_awqos, m_axi_awregion;
  logic [7:0] m_axi_awlen;
  logic [2:0] m_axi_awsize, m_axi_awprot;
  logic [1:0] m_axi_awburst, error;
  logic m_axi_awid, m_axi_awlock, m_axi_bid;
  assign beat_din = {32{bit_in}};  // one bit is enough to tell a beat from another one
  assign stop = STOP != 0 && stops && ap_rst_n;
  edgemoe_axi_write #(
      .DATA_BITS(32), .ADDRESS_BITS(ADDRESS_BITS), .INDEX_BITS(INDEX_BITS), .MAX_BURST(MAX_BURST),
      .OUTSTANDING(OUTSTANDING), .REQUESTS(REQUESTS), .BUFFER(BUFFER), .STYLE("registers")
  ) master (.*);

  // Bursts by their addresses, from the cycle in which an address is first seen: beats of those whose data has not all
  // gone, the oldest one's beats left first.
  logic shown, asked, sent, ends, waits = 0;
  logic [BEATS-1:0] beats, oldest = 0, second = 0;
  logic [1:0] bursts = 0, taken_addresses = 0, written = 0;
  logic begun = 0;
  assign beats = m_axi_awlen + 1;
  assign shown = ap_rst_n && m_axi_awvalid && !waits;
  assign asked = ap_rst_n && m_axi_awvalid && m_axi_awready;
  assign sent = ap_rst_n && m_axi_wvalid && m_axi_wready;
  assign ends = sent && m_axi_wlast;
  logic [BEATS-1:0] first_left;  // with the address that is new in this very cycle
  logic [1:0] open_bursts;
  assign open_bursts = bursts + shown;
  assign first_left = bursts != 0 ? oldest : beats;
  always_ff @(posedge ap_clk) begin
    if (bursts == 0) oldest <= sent ? beats - 1 : beats;
    else if (sent) oldest <= oldest - 1;
    if (ends && bursts != 0) oldest <= bursts == 1 ? beats : second;
    if (shown && bursts - ends == 1) second <= beats;
    bursts <= open_bursts - ends;
    begun <= (begun || (ap_rst_n && m_axi_wvalid)) && !ends;
    // A memory answers a burst whose address it has and whose last beat.
    taken_addresses <= taken_addresses + asked - (ap_rst_n && m_axi_bvalid);
    written <= written + ends - (ap_rst_n && m_axi_bvalid);
  end
  always_comb assume (!m_axi_bvalid || (ap_rst_n && taken_addresses != 0 && written != 0));
  logic stopped = 0, stop_before = 0;
  always_ff @(posedge ap_clk) begin
    stopped <= stop && !idle;
    stop_before <= stop;
  end
  always_comb assume (!stopped || stop);

  // Beats that were requested and not asked for; those that were taken and not written.
  logic accepted, entered;
  logic [SUM-1:0] owed = 0;
  logic [FILL-1:0] held = 0;
  assign accepted = ap_rst_n && request_write && request_full_n;
  assign entered = ap_rst_n && beat_write && beat_full_n;
  always_ff @(posedge ap_clk) begin
    owed <= owed + (accepted ? request_beats : 0) - (asked ? beats : 0);
    held <= held + entered - sent;
  end

  // The first bad answer.
  logic [1:0] bad = 0;
  always_ff @(posedge ap_clk) if (ap_rst_n && m_axi_bvalid && m_axi_bresp[1] && bad == 0) bad <= m_axi_bresp;

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
    if (entered && mark_beat && !beat_followed) begin
      beat_followed <= 1;
      ahead <= held - sent;
      value <= bit_in;
    end else if (beat_followed && sent) begin
      beat_followed <= ahead != 0;
      ahead <= ahead - 1;
    end
  end

  // AXI: what is valid stays until it is taken; a burst lies in one page and is no longer than allowed.
  logic data_waits = 0, old_last;
  logic [ADDRESS_BITS-1:0] old_address;
  logic [7:0] old_beats;
  logic [31:0] old_data;
  always_ff @(posedge ap_clk) begin
    waits <= ap_rst_n && m_axi_awvalid && !m_axi_awready;
    data_waits <= ap_rst_n && m_axi_wvalid && !m_axi_wready;
    old_address <= m_axi_awaddr;
    old_beats <= m_axi_awlen;
    old_data <= m_axi_wdata;
    old_last <= m_axi_wlast;
  end
  always_comb if (ap_rst_n) begin
    if (waits) stays: assert (m_axi_awvalid && m_axi_awaddr == old_address && m_axi_awlen == old_beats);
    if (data_waits) data_stays: assert (m_axi_wvalid && m_axi_wdata == old_data && m_axi_wlast == old_last);
    if (m_axi_awvalid) within_a_page: assert ({1'b0, m_axi_awaddr[11:2]} + m_axi_awlen < 1024);
    if (m_axi_awvalid) length: assert (m_axi_awlen < MAX_BURST && m_axi_awaddr[1:0] == 0);
    constants: assert (m_axi_awburst == 1 && m_axi_awsize == 2 && m_axi_wstrb == 15 && m_axi_bready);
    if (m_axi_wvalid) data_of_a_burst: assert (open_bursts != 0);
    if (m_axi_wvalid) last: assert (m_axi_wlast == (first_left == 1));
    if (begun) never_waits: assert (m_axi_wvalid);
    on_their_way: assert (open_bursts <= OUTSTANDING);
    if (idle) all_answered: assert (bursts == 0 && written == 0 && taken_addresses == 0);
    if (stop_before && !waits) gives_up: assert (!m_axi_awvalid);
    if (STOP == 0) begin
      keeps_error: assert (error == bad);
      if (asked) not_asked_twice: assert (beats <= owed);
      if (idle) none_forgotten: assert (owed == 0);
      if (asked && request_followed && before != 0) no_burst_of_two: assert (beats <= before);
      if (asked && request_followed && before == 0 && left != 0)
        at_its_address: assert (m_axi_awaddr == address && beats <= left);
      no_overflow: assert (held <= BUFFER);
      room: assert (beat_full_n == (held != BUFFER));
      if (sent && beat_followed && ahead == 0) once_in_order: assert (m_axi_wdata == {32{value}});
      if (sent) not_written_twice: assert (held != 0);
    end
  end
endmodule
