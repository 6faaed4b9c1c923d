// Control registers of an engine, laid out as Vitis HLS lays out an s_axilite bundle (UG1399, "S_AXILITE control register
// map"): the same driver and the same hardware description serve both.
//
// offset  bits
// 0x00    0 ap_start      set by writing 1; cleared when the engine takes it (ap_ready), unless auto_restart is set
//         1 ap_done       set when the engine ends; cleared by reading this register
//         2 ap_idle       the engine's, a cycle later
//         3 ap_ready      set when the engine takes its start; cleared by reading this register
//         7 auto_restart
//         9 interrupt     level of the line
// 0x04    0 global interrupt enable
// 0x08    0 interrupt by ap_done, 1 by ap_ready: enable
// 0x0c    0 ap_done came, 1 ap_ready came while enabled; writing 1 toggles a bit
// 0x10    words of arguments: KINDS has two bits a word, the first word in the lowest ones:
//         0 none (reads as 0), 1 argument in, 2 value out, 3 "value before was written" (cleared by reading)
//
// With auto_restart, ap_done and ap_ready are shown only of the last run, as Vitis HLS does.
// Words that are not there read as 0; writes to them do nothing. A write and a read take two cycles each.

/* verilator lint_off DECLFILENAME */  // modules carry the project's name, since a block design is one name space
module edgemoe_axilite #(
    parameter int ADDRESS_BITS = 8,
    parameter int WORDS = 4,  // words from 0x10 on
    parameter logic [2*WORDS-1:0] KINDS = '0
) (
    input logic ap_clk,
    input logic ap_rst_n,
    input logic [ADDRESS_BITS-1:0] s_axi_control_awaddr,
    input logic [2:0] s_axi_control_awprot,
    input logic s_axi_control_awvalid,
    output logic s_axi_control_awready,
    input logic [31:0] s_axi_control_wdata,
    input logic [3:0] s_axi_control_wstrb,
    input logic s_axi_control_wvalid,
    output logic s_axi_control_wready,
    output logic [1:0] s_axi_control_bresp,
    output logic s_axi_control_bvalid,
    input logic s_axi_control_bready,
    input logic [ADDRESS_BITS-1:0] s_axi_control_araddr,
    input logic [2:0] s_axi_control_arprot,
    input logic s_axi_control_arvalid,
    output logic s_axi_control_arready,
    output logic [31:0] s_axi_control_rdata,
    output logic [1:0] s_axi_control_rresp,
    output logic s_axi_control_rvalid,
    input logic s_axi_control_rready,
    /* verilator lint_off SYMRSVDWORD */  // the block design's name of this pin
    output logic interrupt,
    /* verilator lint_on SYMRSVDWORD */
    output logic ap_start,
    input logic ap_done,
    input logic ap_ready,
    input logic ap_idle,
    output logic [32*WORDS-1:0] arguments,  // by word; 0 where a word is no argument
    input logic [32*WORDS-1:0] values,  // by word; taken where the word's bit of `values_valid` is set
    input logic [WORDS-1:0] values_valid
);
  localparam int PLACE_BITS = ADDRESS_BITS - 2;  // of a word
  localparam logic [PLACE_BITS-1:0] CONTROL = PLACE_BITS'(0);
  localparam logic [PLACE_BITS-1:0] GLOBAL_ENABLE = PLACE_BITS'(1);
  localparam logic [PLACE_BITS-1:0] ENABLE = PLACE_BITS'(2);
  localparam logic [PLACE_BITS-1:0] STATUS = PLACE_BITS'(3);
  localparam int FIRST = 4;
  localparam logic [1:0] IN = 2'd1, OUT = 2'd2, VALID = 2'd3;

  // Writes: the address, then the data, then the response.
  logic [PLACE_BITS-1:0] write_place;
  logic address_taken, write_now;
  assign s_axi_control_awready = !address_taken && !s_axi_control_bvalid;
  assign s_axi_control_wready = address_taken;
  assign s_axi_control_bresp = 2'b00;
  assign write_now = s_axi_control_wvalid && s_axi_control_wready;
  always_ff @(posedge ap_clk) begin
    if (s_axi_control_awvalid && s_axi_control_awready) begin
      write_place <= s_axi_control_awaddr[ADDRESS_BITS-1:2];
      address_taken <= 1'b1;
    end
    if (write_now) begin
      address_taken <= 1'b0;
      s_axi_control_bvalid <= 1'b1;
    end
    if (s_axi_control_bvalid && s_axi_control_bready) s_axi_control_bvalid <= 1'b0;
    if (!ap_rst_n) begin
      address_taken <= 1'b0;
      s_axi_control_bvalid <= 1'b0;
    end
  end

  // Reads: the word is taken together with its address.
  logic [PLACE_BITS-1:0] read_place;
  logic read_now;
  assign s_axi_control_arready = !s_axi_control_rvalid;
  assign s_axi_control_rresp = 2'b00;
  assign read_now = s_axi_control_arvalid && s_axi_control_arready;
  assign read_place = s_axi_control_araddr[ADDRESS_BITS-1:2];
  always_ff @(posedge ap_clk) begin
    if (read_now) s_axi_control_rvalid <= 1'b1;
    else if (s_axi_control_rready) s_axi_control_rvalid <= 1'b0;
    if (!ap_rst_n) s_axi_control_rvalid <= 1'b0;
  end

  // Control. What the engine says in the very cycle of a read or a write goes before: no end of a run is ever lost.
  logic done, ready, idle, auto_restart, restarts, global_enable;
  logic [1:0] enable, status;
  logic write_control, write_status, read_control, run_ends, run_ready;
  assign write_control = write_now && write_place == CONTROL && s_axi_control_wstrb[0];
  assign write_status = write_now && write_place == STATUS && s_axi_control_wstrb[0];
  assign read_control = read_now && read_place == CONTROL;
  // `restarts`: a run under auto_restart. It ends, to the outside, when the engine falls idle.
  assign run_ends = restarts ? ap_idle && !idle : ap_done;
  assign run_ready = ap_ready && !auto_restart;

  always_ff @(posedge ap_clk) begin
    if (write_control && s_axi_control_wdata[0]) ap_start <= 1'b1;
    else if (ap_ready) ap_start <= auto_restart;
    if (run_ends) done <= 1'b1;
    else if (read_control) done <= 1'b0;
    if (run_ready) ready <= 1'b1;
    else if (read_control) ready <= 1'b0;
    idle <= ap_idle;
    if (write_control) auto_restart <= s_axi_control_wdata[7];
    if (auto_restart) restarts <= 1'b1;
    else if (ap_idle) restarts <= 1'b0;
    if (write_now && write_place == GLOBAL_ENABLE && s_axi_control_wstrb[0]) global_enable <= s_axi_control_wdata[0];
    if (write_now && write_place == ENABLE && s_axi_control_wstrb[0]) enable <= s_axi_control_wdata[1:0];
    if (enable[0] && ap_done) status[0] <= 1'b1;
    else if (write_status && s_axi_control_wdata[0]) status[0] <= !status[0];
    if (enable[1] && ap_ready) status[1] <= 1'b1;
    else if (write_status && s_axi_control_wdata[1]) status[1] <= !status[1];
    interrupt <= global_enable && status != '0;
    if (!ap_rst_n) begin
      ap_start <= 1'b0;
      done <= 1'b0;
      ready <= 1'b0;
      idle <= 1'b0;
      auto_restart <= 1'b0;
      restarts <= 1'b0;
      global_enable <= 1'b0;
      enable <= '0;
      status <= '0;
      interrupt <= 1'b0;
    end
  end

  // Words of arguments and values.
  logic [32*WORDS-1:0] words;
  for (genvar w = 0; w < WORDS; w++) begin : g_words
    localparam logic [1:0] KIND = KINDS[2*w+:2];
    localparam logic [PLACE_BITS-1:0] PLACE = PLACE_BITS'(FIRST + w);
    logic [31:0] word;
    assign words[32*w+:32] = word;
    if (KIND == IN) begin : g_in
      assign arguments[32*w+:32] = word;
      always_ff @(posedge ap_clk) begin
        for (int b = 0; b < 4; b++) begin
          if (write_now && write_place == PLACE && s_axi_control_wstrb[b]) word[8*b+:8] <= s_axi_control_wdata[8*b+:8];
        end
        if (!ap_rst_n) word <= '0;
      end
    end else if (KIND == OUT) begin : g_out
      assign arguments[32*w+:32] = '0;
      always_ff @(posedge ap_clk) begin
        if (values_valid[w]) word <= values[32*w+:32];
        if (!ap_rst_n) word <= '0;
      end
    end else if (KIND == VALID && w > 0) begin : g_valid
      assign arguments[32*w+:32] = '0;
      logic written;
      assign word = {31'd0, written};
      always_ff @(posedge ap_clk) begin
        if (values_valid[w-1]) written <= 1'b1;
        else if (read_now && read_place == PLACE) written <= 1'b0;
        if (!ap_rst_n) written <= 1'b0;
      end
    end else begin : g_none
      assign arguments[32*w+:32] = '0;
      assign word = '0;
    end
  end

  always_ff @(posedge ap_clk) begin
    if (read_now) begin
      s_axi_control_rdata <= '0;
      case (read_place)
        CONTROL: begin
          s_axi_control_rdata[3:0] <= {ready, idle, done, ap_start};
          s_axi_control_rdata[7] <= auto_restart;
          s_axi_control_rdata[9] <= interrupt;
        end
        GLOBAL_ENABLE: s_axi_control_rdata[0] <= global_enable;
        ENABLE: s_axi_control_rdata[1:0] <= enable;
        STATUS: s_axi_control_rdata[1:0] <= status;
        default:
        for (int w = 0; w < WORDS; w++) begin
          if (read_place == PLACE_BITS'(FIRST + w)) s_axi_control_rdata <= words[32*w+:32];
        end
      endcase
    end
  end

  /* verilator lint_off UNUSEDSIGNAL */  // no protection; addresses are those of words; not every word takes all that is written or has a value
  logic unused;
  assign unused = ^{s_axi_control_awprot, s_axi_control_arprot, s_axi_control_awaddr[1:0], s_axi_control_araddr[1:0],
                    s_axi_control_wdata, s_axi_control_wstrb, values, values_valid};
  /* verilator lint_on UNUSEDSIGNAL */
endmodule
