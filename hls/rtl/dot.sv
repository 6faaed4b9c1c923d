// Sum of products in a chain of DSP48E2: each adds its product to what the one before it brings (UG579, PCOUT to PCIN),
// so that no look-up table takes part.
//
// Stage s of whoever uses it moves into stage s + 1 where `go[s]` is set, as everywhere. Product 0 takes `a` and `b` of
// stage 0, product k > 0 those of stage k - 1; where ADDENDS[k] is set, c of stage k + 1 is added to it. `sum` is that
// of stage PRODUCTS + 2. A stage that stands still keeps its registers; there is no reset.
//
// Synthesis gets the DSPs by name, since not every tool finds chains; simulation gets the same registers as text.

/* verilator lint_off DECLFILENAME */  // modules carry the project's name, since a block design is one name space
module edgemoe_dot #(
    parameter int PRODUCTS = 2,
    parameter int A_BITS = 27,  // signed, up to 27
    parameter int B_BITS = 18,  // signed, up to 18
    parameter int C_BITS = 48,  // signed, up to 48
    parameter int BITS = 48,  // of the sum, up to 48
    parameter logic [PRODUCTS-1:0] ADDENDS = '0
) (
    input logic ap_clk,
    input logic [PRODUCTS+2-1:0] go,
    input logic [PRODUCTS*A_BITS-1:0] a,
    input logic [PRODUCTS*B_BITS-1:0] b,
    input logic [PRODUCTS*C_BITS-1:0] c,
    output logic [BITS-1:0] sum
);
  if (A_BITS > 27 || B_BITS > 18 || C_BITS > 48 || BITS > 48) begin : g_wide
    $error("edgemoe_dot: a DSP48E2 multiplies 27 x 18 bits and adds 48");
  end
  wire [47:0] sums[PRODUCTS];
  assign sum = sums[PRODUCTS-1][BITS-1:0];

  for (genvar k = 0; k < PRODUCTS; k++) begin : g_product
    // What the first one misses is the register in front, and what it would be brought.
    localparam int FIRST = k == 0 ? 0 : k - 1;
    wire signed [29:0] wide = 30'($signed(a[k*A_BITS+:A_BITS]));
    wire signed [17:0] narrow = 18'($signed(b[k*B_BITS+:B_BITS]));
    wire signed [47:0] addend = ADDENDS[k] ? 48'($signed(c[k*C_BITS+:C_BITS])) : 48'd0;
`ifdef SYNTHESIS
    wire [47:0] cascade;  // to the next one
    wire [47:0] brought;
    if (k == 0) begin : g_first
      assign brought = '0;
    end else begin : g_next
      assign brought = g_product[k-1].cascade;
    end
    DSP48E2 #(
        .AREG(k == 0 ? 1 : 2), .ACASCREG(k == 0 ? 1 : 2), .BREG(k == 0 ? 1 : 2), .BCASCREG(k == 0 ? 1 : 2),
        .CREG(1), .MREG(1), .PREG(1), .ADREG(0), .DREG(0), .ALUMODEREG(0), .CARRYINREG(0), .CARRYINSELREG(0),
        .INMODEREG(0), .OPMODEREG(0), .USE_MULT("MULTIPLY"), .USE_SIMD("ONE48"), .AMULTSEL("A"), .BMULTSEL("B"),
        .A_INPUT("DIRECT"), .B_INPUT("DIRECT")
    ) product (
        .CLK(ap_clk),
        .A(wide), .B(narrow), .C(addend), .D(27'd0), .PCIN(brought), .P(sums[k]), .PCOUT(cascade),
        .ACIN(30'd0), .BCIN(18'd0), .CARRYIN(1'b0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
        // W: C or 0. Z: PCIN or 0. Y and X: the product.
        .OPMODE({ADDENDS[k] ? 2'b11 : 2'b00, k == 0 ? 3'b000 : 3'b001, 4'b0101}),
        .ALUMODE(4'b0000), .CARRYINSEL(3'b000), .INMODE(5'b00000),
        .CEA1(k == 0 ? 1'b0 : go[FIRST]), .CEB1(k == 0 ? 1'b0 : go[FIRST]), .CEA2(go[k]), .CEB2(go[k]),
        .CEC(go[k+1]), .CEM(go[k+1]), .CEP(go[k+2]),
        .CEAD(1'b0), .CED(1'b0), .CEALUMODE(1'b0), .CECARRYIN(1'b0), .CECTRL(1'b0), .CEINMODE(1'b0),
        .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0), .RSTALLCARRYIN(1'b0),
        .RSTALUMODE(1'b0), .RSTCTRL(1'b0), .RSTINMODE(1'b0),
        .ACOUT(), .BCOUT(), .CARRYCASCOUT(), .CARRYOUT(), .MULTSIGNOUT(), .OVERFLOW(), .PATTERNBDETECT(),
        .PATTERNDETECT(), .UNDERFLOW(), .XOROUT()
    );
`else
    logic signed [29:0] wide_2;
    logic signed [17:0] narrow_2;
    logic signed [44:0] product;
    logic signed [47:0] added, total;
    assign sums[k] = total;
    if (k == 0) begin : g_first
      always_ff @(posedge ap_clk) begin
        if (go[0]) wide_2 <= wide;
        if (go[0]) narrow_2 <= narrow;
        if (go[2]) total <= 48'(product) + added;
      end
    end else begin : g_next
      logic signed [29:0] wide_1;
      logic signed [17:0] narrow_1;
      always_ff @(posedge ap_clk) begin
        if (go[FIRST]) wide_1 <= wide;
        if (go[FIRST]) narrow_1 <= narrow;
        if (go[k]) wide_2 <= wide_1;
        if (go[k]) narrow_2 <= narrow_1;
        if (go[k+2]) total <= 48'(product) + added + sums[k-1];
      end
    end
    always_ff @(posedge ap_clk) begin
      if (go[k+1]) product <= 45'(wide_2) * 45'(narrow_2);
      if (go[k+1]) added <= addend;
    end
`endif
  end
endmodule
