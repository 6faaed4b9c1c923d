// What edgemoe_axilite promises, for every sequence of accesses and of events of the engine: AXI4-Lite's rules; a response
// for each access; no start, no end of a run, no interrupt and no value is lost, in whatever cycle a read comes.
module prove_axilite (
    input logic ap_clk,
    input logic [4:0] s_axi_control_awaddr,
    input logic s_axi_control_awvalid,
    input logic [31:0] s_axi_control_wdata,
    input logic [3:0] s_axi_control_wstrb,
    input logic s_axi_control_wvalid,
    input logic s_axi_control_bready,
    input logic [4:0] s_axi_control_araddr,
    input logic s_axi_control_arvalid,
    input logic s_axi_control_rready,
    input logic ap_done,
    input logic ap_ready,
    input logic ap_idle,
    input logic [95:0] values,
    input logic [2:0] values_valid
);
  logic ap_rst_n = 0, ap_start, interrupt;
  always_ff @(posedge ap_clk) ap_rst_n <= 1;
  logic s_axi_control_awready, s_axi_control_wready, s_axi_control_bvalid, s_axi_control_arready, s_axi_control_rvalid;
  logic [1:0] s_axi_control_bresp, s_axi_control_rresp;
  logic [2:0] s_axi_control_awprot, s_axi_control_arprot;
  logic [31:0] s_axi_control_rdata;
  logic [95:0] arguments;
  // Words from 0x10 on: an argument, a value, whether the value was written.
  edgemoe_axilite #(.ADDRESS_BITS(5), .WORDS(3), .KINDS(6'b111001)) registers (.*);

  logic addressed, writes, answered, reads, read_ends;
  assign addressed = ap_rst_n && s_axi_control_awvalid && s_axi_control_awready;
  assign writes = ap_rst_n && s_axi_control_wvalid && s_axi_control_wready;
  assign answered = ap_rst_n && s_axi_control_bvalid && s_axi_control_bready;
  assign reads = ap_rst_n && s_axi_control_arvalid && s_axi_control_arready;
  assign read_ends = ap_rst_n && s_axi_control_rvalid && s_axi_control_rready;

  // Each access: how far it is, and where.
  logic [1:0] addresses = 0, data = 0, asked = 0;
  logic [2:0] place, read_place = 0;
  logic was_read = 0, data_waits = 0, answer_waits = 0;
  logic [31:0] old_data;
  always_ff @(posedge ap_clk) begin
    addresses <= addresses + addressed - writes;
    data <= data + writes - answered;
    asked <= asked + reads - read_ends;
    if (addressed) place <= s_axi_control_awaddr[4:2];
    if (reads) read_place <= s_axi_control_araddr[4:2];
    was_read <= reads;
    data_waits <= ap_rst_n && s_axi_control_rvalid && !s_axi_control_rready;
    answer_waits <= ap_rst_n && s_axi_control_bvalid && !s_axi_control_bready;
    old_data <= s_axi_control_rdata;
  end

  // No restarts by themselves: the driver never asks for them.
  always_comb assume (!(writes && place == 0 && s_axi_control_wdata[7]));

  logic ends, starts, enables, clears;
  assign ends = ap_rst_n && ap_done;
  assign starts = writes && place == 0 && s_axi_control_wstrb[0] && s_axi_control_wdata[0];
  assign clears = writes && place == 3 && s_axi_control_wstrb[0] && s_axi_control_wdata[0];
  assign enables = writes && place == 2 && s_axi_control_wstrb[0];

  // What a read has to show: an end since the last read of it, an interrupt since it was cleared, a value.
  logic ended = 0, shows_end = 0, enabled = 0, status = 0, shows_status = 0, valued = 0, shows_valued = 0, must_start = 0;
  logic enabled_at_all = 0, shows_enabled = 0;
  logic [31:0] value = 0, shows_value = 0, argument = 0, shows_argument = 0;
  integer b;
  always_ff @(posedge ap_clk) begin
    if (ends) ended <= 1;
    else if (reads && s_axi_control_araddr[4:2] == 0) ended <= 0;
    if (writes && place == 1 && s_axi_control_wstrb[0]) enabled_at_all <= s_axi_control_wdata[0];
    shows_enabled <= enabled_at_all;
    if (enables) enabled <= s_axi_control_wdata[0];
    if (ends && enabled) status <= 1;
    else if (clears) status <= !status;
    if (ap_rst_n && values_valid[1]) valued <= 1;
    else if (reads && s_axi_control_araddr[4:2] == 6) valued <= 0;
    if (ap_rst_n && values_valid[1]) value <= values[63:32];
    for (b = 0; b < 4; b = b + 1)
      if (writes && place == 4 && s_axi_control_wstrb[b]) argument[8*b+:8] <= s_axi_control_wdata[8*b+:8];
    must_start <= ap_rst_n && (starts || (must_start && !ap_ready));
    shows_end <= ended;
    shows_status <= status;
    shows_valued <= valued;
    shows_value <= value;
    shows_argument <= argument;
  end

  always_comb if (ap_rst_n) begin
    if (data_waits) read_stays: assert (s_axi_control_rvalid && s_axi_control_rdata == old_data);
    if (answer_waits) answer_stays: assert (s_axi_control_bvalid);
    one_answer_a_read: assert (s_axi_control_rvalid == (asked == 1) && asked <= 1);
    one_answer_a_write: assert (s_axi_control_bvalid == (data == 1) && data <= 1 && addresses + data <= 1);
    good: assert (s_axi_control_rresp == 0 && s_axi_control_bresp == 0);
    no_start_lost: assert (ap_start == must_start);
    if (was_read && read_place == 0) no_end_lost: assert (s_axi_control_rdata[1] == shows_end);
    if (was_read && read_place == 3) no_interrupt_lost: assert (s_axi_control_rdata[0] == shows_status);
    if (!shows_enabled) quiet: assert (!interrupt);
    if (shows_enabled && shows_status) interrupts: assert (interrupt);
    if (was_read && read_place == 4) argument_reads: assert (s_axi_control_rdata == shows_argument);
    argument_given: assert (arguments == {64'd0, argument});
    if (was_read && read_place == 5) value_reads: assert (s_axi_control_rdata == shows_value);
    if (was_read && read_place == 6) no_value_lost: assert (s_axi_control_rdata == shows_valued);
    if (was_read && read_place == 7) nothing_there: assert (s_axi_control_rdata == 0);
  end
endmodule
