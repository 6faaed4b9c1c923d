// AXI4 master that writes: takes requests (see axi_bursts.sv) and, in the same order, their beats.
//
// - A burst begins only when the buffer holds all its beats: once begun, it never waits for a process, so it never blocks
//   the memory for others. By default it holds as many bursts as can be on their way: of a busy memory's time, a port gets
//   a share by the bursts that it has asked for.
// - At most OUTSTANDING bursts have no response yet. BREADY is always set.
// - `error` is 0, or the first bad BRESP (2: SLVERR, 3: DECERR) since reset or `stop`.
// - `stop` gives up what is asked for: no burst begins any more, those that have begun are written, and beats behind them
//   are dropped. It has to stay until `idle`; after it everything is as after reset.
// - `idle`: every request so far is written, and all its responses are back. It falls in the cycle after a request.

/* verilator lint_off DECLFILENAME */  // modules carry the project's name, since a block design is one name space
module edgemoe_axi_write #(
    parameter int DATA_BITS = 128,  // 32 to 1024, a power of two
    parameter int ADDRESS_BITS = 64,
    parameter int INDEX_BITS = 32,
    parameter int MAX_BURST = 16,  // 2 to 256
    parameter int OUTSTANDING = 16,
    parameter int REQUESTS = 4,
    parameter int BUFFER = OUTSTANDING * MAX_BURST,  // beats; MAX_BURST at least, twice that for a beat every cycle
    parameter logic [87:0] STYLE = "block",  // of the buffer, as in fifo.sv
    parameter int ID_BITS = 1,
    parameter int ID = 0
) (
    input logic ap_clk,
    input logic ap_rst_n,
    input logic [ADDRESS_BITS-1:0] base,
    input logic [INDEX_BITS-1:0] request_first,
    input logic [INDEX_BITS-1:0] request_beats,
    input logic request_write,
    output logic request_full_n,
    input logic [DATA_BITS-1:0] beat_din,
    input logic beat_write,
    output logic beat_full_n,
    input logic stop,
    output logic [1:0] error,
    output logic idle,
    output logic [ID_BITS-1:0] m_axi_awid,
    output logic [ADDRESS_BITS-1:0] m_axi_awaddr,
    output logic [7:0] m_axi_awlen,
    output logic [2:0] m_axi_awsize,
    output logic [1:0] m_axi_awburst,
    output logic m_axi_awlock,
    output logic [3:0] m_axi_awcache,
    output logic [2:0] m_axi_awprot,
    output logic [3:0] m_axi_awqos,
    output logic [3:0] m_axi_awregion,
    output logic m_axi_awvalid,
    input logic m_axi_awready,
    output logic [DATA_BITS-1:0] m_axi_wdata,
    output logic [DATA_BITS/8-1:0] m_axi_wstrb,
    output logic m_axi_wlast,
    output logic m_axi_wvalid,
    input logic m_axi_wready,
    input logic [ID_BITS-1:0] m_axi_bid,
    input logic [1:0] m_axi_bresp,
    input logic m_axi_bvalid,
    output logic m_axi_bready
);
  localparam int BURST_BITS = $clog2(MAX_BURST + 1);
  localparam int HELD_BITS = $clog2(BUFFER + 1);
  localparam int COUNT_BITS = $clog2(OUTSTANDING + 1);
  localparam int LENGTHS = OUTSTANDING;  // bursts that wait for the data channel

  if (BUFFER < MAX_BURST || OUTSTANDING < 1) begin : g_refused
    $error("edgemoe_axi_write: BUFFER holds no whole burst, or OUTSTANDING is below 1");
  end

  logic [ADDRESS_BITS-1:0] burst_address;
  logic [BURST_BITS-1:0] burst_beats;
  logic burst_valid, burst_ready, nothing_asked, keeps_rst_n;
  assign keeps_rst_n = ap_rst_n && !stop;
  edgemoe_axi_bursts #(
      .DATA_BITS(DATA_BITS),
      .ADDRESS_BITS(ADDRESS_BITS),
      .INDEX_BITS(INDEX_BITS),
      .MAX_BURST(MAX_BURST),
      .REQUESTS(REQUESTS)
  ) bursts (
      .ap_clk(ap_clk),
      .ap_rst_n(keeps_rst_n),
      .base(base),
      .request_first(request_first),
      .request_beats(request_beats),
      .request_write(request_write),
      .request_full_n(request_full_n),
      .burst_address(burst_address),
      .burst_beats(burst_beats),
      .burst_valid(burst_valid),
      .burst_ready(burst_ready),
      .idle(nothing_asked)
  );

  // `held` counts beats in the buffer that belong to no burst yet.
  logic [HELD_BITS-1:0] held;
  logic [COUNT_BITS-1:0] unanswered;
  logic goes, enters, answered, length_full_n;
  assign burst_ready = (!m_axi_awvalid || m_axi_awready) && held >= HELD_BITS'(burst_beats)
      && unanswered != COUNT_BITS'(OUTSTANDING) && length_full_n && !stop;
  assign goes = burst_valid && burst_ready;
  assign enters = beat_write && beat_full_n && !stop;
  assign answered = m_axi_bvalid;
  assign m_axi_bready = 1'b1;
  assign idle = nothing_asked && unanswered == '0;

  always_ff @(posedge ap_clk) begin
    if (goes) begin
      m_axi_awaddr <= burst_address;
      m_axi_awlen <= 8'(burst_beats) - 8'd1;
      m_axi_awvalid <= 1'b1;
    end else if (m_axi_awready) begin
      m_axi_awvalid <= 1'b0;
    end
    held <= held + HELD_BITS'(enters) - (goes ? HELD_BITS'(burst_beats) : '0);
    unanswered <= unanswered + COUNT_BITS'(goes) - COUNT_BITS'(answered);
    if (answered && m_axi_bresp[1] && error == '0) error <= m_axi_bresp;
    if (!keeps_rst_n) begin
      held <= '0;
      error <= '0;
    end
    if (!ap_rst_n) begin
      m_axi_awvalid <= 1'b0;
      unanswered <= '0;
    end
  end

  // Beats of no burst go when those of all bursts have gone, which a response says.
  logic buffer_rst_n;
  assign buffer_rst_n = keeps_rst_n || (ap_rst_n && unanswered != '0);

  // The data channel: `left` beats of a burst, then the next one's without a gap.
  logic [BURST_BITS-1:0] left, length;
  logic length_empty_n, next, sent, has_beat;
  assign m_axi_wvalid = left != '0 && has_beat;
  assign m_axi_wlast = left == BURST_BITS'(1);
  assign sent = m_axi_wvalid && m_axi_wready;
  assign next = left == '0 || (sent && m_axi_wlast);
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) left <= '0;
    else if (next) left <= length_empty_n ? length : '0;
    else if (sent) left <= left - BURST_BITS'(1);
  end

  /* verilator lint_off PINCONNECTEMPTY */  // `held` and `unanswered` tell more than the occupancies
  edgemoe_fifo #(
      .WIDTH(BURST_BITS),
      .DEPTH(LENGTHS)
  ) lengths (
      .ap_clk(ap_clk),
      .ap_rst_n(ap_rst_n),
      .din(burst_beats),
      .write(goes),
      .full_n(length_full_n),
      .dout(length),
      .empty_n(length_empty_n),
      .read(next),
      .occupancy()
  );
  edgemoe_fifo #(
      .WIDTH(DATA_BITS),
      .DEPTH(BUFFER),
      .STYLE(STYLE)
  ) buffer (
      .ap_clk(ap_clk),
      .ap_rst_n(buffer_rst_n),
      .din(beat_din),
      .write(beat_write && !stop),
      .full_n(beat_full_n),
      .dout(m_axi_wdata),
      .empty_n(has_beat),
      .read(sent),
      .occupancy()
  );
  /* verilator lint_on PINCONNECTEMPTY */

  assign m_axi_awid = ID_BITS'(ID);
  assign m_axi_awsize = 3'($clog2(DATA_BITS / 8));
  assign m_axi_awburst = 2'b01;  // INCR
  assign m_axi_awlock = 1'b0;
  assign m_axi_awcache = 4'b0011;  // bufferable and modifiable, as Vitis HLS asks for
  assign m_axi_awprot = 3'b000;
  assign m_axi_awqos = 4'b0000;
  assign m_axi_awregion = 4'b0000;
  assign m_axi_wstrb = '1;

  /* verilator lint_off UNUSEDSIGNAL */  // one ID: answers come in order
  logic [ID_BITS-1:0] unused;
  assign unused = m_axi_bid;
  /* verilator lint_on UNUSEDSIGNAL */
endmodule
