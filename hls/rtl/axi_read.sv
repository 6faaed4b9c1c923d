// AXI4 master that reads: from requests (see axi_bursts.sv) to beats, which come in the order in which they were asked for.
//
// - A burst is asked for only when BUFFER has room for all its beats, so `m_axi_rready` is always set while one is on its
//   way: a process that stalls never blocks the memory for others.
// - At most OUTSTANDING bursts are on their way.
// - `error` is 0, or the first bad RRESP (2: SLVERR, 3: DECERR) since reset or `stop`. Beats come nevertheless.
// - `stop` gives up what is asked for: no burst begins any more, and beats that are on their way are dropped, since a
//   memory must get rid of them. It has to stay until `idle`; after it everything is as after reset.
// - `idle`: nothing is asked for. Beats may still wait to be taken.

/* verilator lint_off DECLFILENAME */  // modules carry the project's name, since a block design is one name space
module edgemoe_axi_read #(
    parameter int DATA_BITS = 128,  // 32 to 1024, a power of two
    parameter int ADDRESS_BITS = 64,
    parameter int INDEX_BITS = 32,
    parameter int MAX_BURST = 16,  // 2 to 256
    parameter int OUTSTANDING = 16,
    parameter int REQUESTS = 4,
    parameter int BUFFER = OUTSTANDING * MAX_BURST,  // beats; MAX_BURST at least
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
    output logic [DATA_BITS-1:0] beat_dout,
    output logic beat_empty_n,
    input logic beat_read,
    input logic stop,
    output logic [1:0] error,
    output logic idle,
    output logic [ID_BITS-1:0] m_axi_arid,
    output logic [ADDRESS_BITS-1:0] m_axi_araddr,
    output logic [7:0] m_axi_arlen,
    output logic [2:0] m_axi_arsize,
    output logic [1:0] m_axi_arburst,
    output logic m_axi_arlock,
    output logic [3:0] m_axi_arcache,
    output logic [2:0] m_axi_arprot,
    output logic [3:0] m_axi_arqos,
    output logic [3:0] m_axi_arregion,
    output logic m_axi_arvalid,
    input logic m_axi_arready,
    input logic [ID_BITS-1:0] m_axi_rid,
    input logic [DATA_BITS-1:0] m_axi_rdata,
    input logic [1:0] m_axi_rresp,
    input logic m_axi_rlast,
    input logic m_axi_rvalid,
    output logic m_axi_rready
);
  localparam int BURST_BITS = $clog2(MAX_BURST + 1);
  localparam int ROOM_BITS = $clog2(BUFFER + 1);
  localparam int COUNT_BITS = $clog2(OUTSTANDING + 1);

  if (BUFFER < MAX_BURST || OUTSTANDING < 1) begin : g_refused
    $error("edgemoe_axi_read: BUFFER holds no whole burst, or OUTSTANDING is below 1");
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

  // `room` counts places of the buffer that no burst was promised.
  logic [ROOM_BITS-1:0] room;
  logic [COUNT_BITS-1:0] in_flight;
  logic goes, arrives, ends, taken;
  assign burst_ready = (!m_axi_arvalid || m_axi_arready) && room >= ROOM_BITS'(burst_beats)
      && in_flight != COUNT_BITS'(OUTSTANDING) && !stop;
  assign goes = burst_valid && burst_ready;
  assign arrives = m_axi_rvalid && m_axi_rready;
  assign ends = arrives && m_axi_rlast;
  assign taken = beat_read && beat_empty_n;
  assign idle = nothing_asked && in_flight == '0;

  always_ff @(posedge ap_clk) begin
    if (goes) begin
      m_axi_araddr <= burst_address;
      m_axi_arlen <= 8'(burst_beats) - 8'd1;
      m_axi_arvalid <= 1'b1;
    end else if (m_axi_arready) begin
      m_axi_arvalid <= 1'b0;
    end
    room <= room - (goes ? ROOM_BITS'(burst_beats) : '0) + ROOM_BITS'(taken);
    in_flight <= in_flight + COUNT_BITS'(goes) - COUNT_BITS'(ends);
    if (arrives && m_axi_rresp[1] && error == '0) error <= m_axi_rresp;
    if (!keeps_rst_n) begin
      room <= ROOM_BITS'(BUFFER);
      error <= '0;
    end
    if (!ap_rst_n) begin
      m_axi_arvalid <= 1'b0;
      in_flight <= '0;
    end
  end

  /* verilator lint_off PINCONNECTEMPTY */  // `room` tells more than the occupancy
  edgemoe_fifo #(
      .WIDTH(DATA_BITS),
      .DEPTH(BUFFER),
      .STYLE(STYLE)
  ) buffer (
      .ap_clk(ap_clk),
      .ap_rst_n(keeps_rst_n),
      .din(m_axi_rdata),
      .write(m_axi_rvalid),
      .full_n(m_axi_rready),
      .dout(beat_dout),
      .empty_n(beat_empty_n),
      .read(beat_read),
      .occupancy()
  );
  /* verilator lint_on PINCONNECTEMPTY */

  assign m_axi_arid = ID_BITS'(ID);
  assign m_axi_arsize = 3'($clog2(DATA_BITS / 8));
  assign m_axi_arburst = 2'b01;  // INCR
  assign m_axi_arlock = 1'b0;
  assign m_axi_arcache = 4'b0011;  // bufferable and modifiable, as Vitis HLS asks for
  assign m_axi_arprot = 3'b000;
  assign m_axi_arqos = 4'b0000;
  assign m_axi_arregion = 4'b0000;

  /* verilator lint_off UNUSEDSIGNAL */  // one ID: answers come in order. An RRESP is bad by its upper bit.
  logic [ID_BITS-1:0] unused;
  assign unused = m_axi_rid;
  /* verilator lint_on UNUSEDSIGNAL */
endmodule
