// DSP48E2 as UG579 describes it, as far as chains of products use it: A and B with one or two registers, C, M and P with
// one; W, X, Y and Z from a constant OPMODE; addition. For tests: Vivado brings its own.
/* verilator lint_off DECLFILENAME */
/* verilator lint_off UNUSEDSIGNAL */
/* verilator lint_off UNUSEDPARAM */
module DSP48E2 #(
    parameter int AREG = 1, ACASCREG = 1, BREG = 1, BCASCREG = 1, CREG = 1, MREG = 1, PREG = 1, ADREG = 1, DREG = 1,
    parameter int ALUMODEREG = 1, CARRYINREG = 1, CARRYINSELREG = 1, INMODEREG = 1, OPMODEREG = 1,
    parameter USE_MULT = "MULTIPLY", USE_SIMD = "ONE48", AMULTSEL = "A", BMULTSEL = "B", A_INPUT = "DIRECT",
    parameter B_INPUT = "DIRECT"
) (
    input logic CLK,
    input logic [29:0] A, ACIN,
    input logic [17:0] B, BCIN,
    input logic [47:0] C, PCIN,
    input logic [26:0] D,
    input logic [8:0] OPMODE,
    input logic [4:0] INMODE,
    input logic [3:0] ALUMODE,
    input logic [2:0] CARRYINSEL,
    input logic CARRYIN, CARRYCASCIN, MULTSIGNIN,
    input logic CEA1, CEA2, CEB1, CEB2, CEC, CEM, CEP, CEAD, CED, CEALUMODE, CECARRYIN, CECTRL, CEINMODE,
    input logic RSTA, RSTB, RSTC, RSTD, RSTM, RSTP, RSTALLCARRYIN, RSTALUMODE, RSTCTRL, RSTINMODE,
    output logic [47:0] P, PCOUT,
    output logic [29:0] ACOUT,
    output logic [17:0] BCOUT,
    output logic [7:0] XOROUT,
    output logic [3:0] CARRYOUT,
    output logic CARRYCASCOUT, MULTSIGNOUT, OVERFLOW, PATTERNBDETECT, PATTERNDETECT, UNDERFLOW
);
  if (CREG != 1 || MREG != 1 || PREG != 1 || ACASCREG != AREG || BCASCREG != BREG || ALUMODEREG != 0
      || OPMODEREG != 0 || INMODEREG != 0 || AMULTSEL != "A" || BMULTSEL != "B") begin : g_unknown
    $error("DSP48E2: this model does not know these settings");
  end
  logic signed [29:0] a1, a2;
  logic signed [17:0] b1, b2;
  logic signed [44:0] m;
  logic [47:0] c, w, z;
  assign w = OPMODE[8:7] == 2'b11 ? c : OPMODE[8:7] == 2'b01 ? P : 48'd0;
  assign z = OPMODE[6:4] == 3'b001 ? PCIN : OPMODE[6:4] == 3'b011 ? c : OPMODE[6:4] == 3'b010 ? P : 48'd0;
  assign PCOUT = P;
  always_ff @(posedge CLK) begin
    if (CEA1) a1 <= A;
    if (CEB1) b1 <= B;
    if (CEA2) a2 <= AREG == 2 ? a1 : A;
    if (CEB2) b2 <= BREG == 2 ? b1 : B;
    if (CEC) c <= C;
    if (CEM) m <= 45'($signed(a2[26:0])) * 45'(b2);
    // X and Y together are the product where both are 01. ALUMODE 0000: Z + W + X + Y.
    if (CEP) P <= ALUMODE == 4'b0000 && OPMODE[3:0] == 4'b0101 ? z + w + 48'(m) : 'x;
  end
  assign {ACOUT, BCOUT, XOROUT, CARRYOUT, CARRYCASCOUT, MULTSIGNOUT, OVERFLOW} = '0;
  assign {PATTERNBDETECT, PATTERNDETECT, UNDERFLOW} = '0;
endmodule
