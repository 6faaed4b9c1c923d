// The whole engine behind its buses: AXI memories with latency, AXI-Lite as a driver uses it.
// Arguments: folder with the buffers, percent of cycles in which a bus moves, most cycles, runs.
#include "Vtop.h"
#include "ports.h"
#include "verilated.h"

#include <cstring>
#include <deque>
#include <map>

using bytes_t = std::vector<std::uint8_t>;
constexpr int BEAT_BITS = @BITS@;
constexpr int BEAT = BEAT_BITS / 8;
constexpr long LATENCY = 40;

static bytes_t contents(const std::string &name) {
  bytes_t bytes;
  std::FILE *file = std::fopen(name.c_str(), "rb");
  for (int byte = std::fgetc(file); byte != EOF; byte = std::fgetc(file)) bytes.push_back(byte);
  std::fclose(file);
  return bytes;
}

static std::map<std::uint64_t, bytes_t> memory;  // buffers by address

static std::uint8_t *place(std::uint64_t address) {
  auto found = memory.upper_bound(address);
  if (found != memory.begin() && address + BEAT <= (--found)->first + found->second.size()) {
    return found->second.data() + (address - found->first);
  }
  std::printf("address %lx is in no buffer\n", address);
  std::exit(1);
}

struct burst_t {
  std::uint64_t address;
  int beats;
  long since;
};
struct reader_t {
  std::deque<burst_t> bursts;
  bool offered = false;
};

static Vtop top;
static long now = 0, most = 0;
static int percent = 100;
static reader_t @READERS@;
static std::deque<burst_t> writes;
static std::deque<long> responses;
static bool responds = false;

static void edge() {
  top.ap_clk = 0;
  // @OFFER@
  top.m_axi_@RESULT@_awready = happens(percent);
  top.m_axi_@RESULT@_wready = !writes.empty() && happens(percent);
  responds = responds || (!responses.empty() && now - responses.front() >= LATENCY && happens(percent));
  top.m_axi_@RESULT@_bvalid = responds;
  top.m_axi_@RESULT@_bresp = 0;
  top.m_axi_@RESULT@_bid = 0;
  top.eval();
  // @TAKE@
  if (top.m_axi_@RESULT@_wvalid && top.m_axi_@RESULT@_wready) {
    burst_t &burst = writes.front();
    const word_t beat = take(top.m_axi_@RESULT@_wdata, BEAT_BITS);
    std::uint8_t *to = place(burst.address);
    for (int i = 0; i < BEAT; ++i) to[i] = beat[i / 4] >> 8 * (i % 4);
    burst.address += BEAT;
    if (top.m_axi_@RESULT@_wlast != (--burst.beats == 0)) {
      std::printf("the last beat of a burst is not marked\n");
      std::exit(1);
    }
    if (burst.beats == 0) {
      writes.pop_front();
      responses.push_back(now);
    }
  }
  if (top.m_axi_@RESULT@_awvalid && top.m_axi_@RESULT@_awready) {
    writes.push_back({top.m_axi_@RESULT@_awaddr, top.m_axi_@RESULT@_awlen + 1, now});
  }
  if (responds && top.m_axi_@RESULT@_bready) {
    responses.pop_front();
    responds = false;
  }
  top.ap_clk = 1;
  top.eval();
  if (++now > most) {
    std::printf("it does not end\n");
    std::exit(1);
  }
}

static void settle() {
  top.ap_clk = 0;
  top.eval();
}

static void set_register(int offset, std::uint32_t value) {
  top.s_axi_control_awaddr = offset;
  top.s_axi_control_awvalid = 1;
  for (settle(); !top.s_axi_control_awready; settle()) edge();
  edge();
  top.s_axi_control_awvalid = 0;
  top.s_axi_control_wdata = value;
  top.s_axi_control_wstrb = 15;
  top.s_axi_control_wvalid = 1;
  for (settle(); !top.s_axi_control_wready; settle()) edge();
  edge();
  top.s_axi_control_wvalid = 0;
  top.s_axi_control_bready = 1;
  for (settle(); !top.s_axi_control_bvalid; settle()) edge();
  edge();
  top.s_axi_control_bready = 0;
}

static std::uint32_t get_register(int offset) {
  top.s_axi_control_araddr = offset;
  top.s_axi_control_arvalid = 1;
  for (settle(); !top.s_axi_control_arready; settle()) edge();
  edge();
  top.s_axi_control_arvalid = 0;
  for (settle(); !top.s_axi_control_rvalid; settle()) edge();
  const std::uint32_t value = top.s_axi_control_rdata;
  top.s_axi_control_rready = 1;
  edge();
  top.s_axi_control_rready = 0;
  return value;
}

int main(int, char **argv) {
  const std::string folder = argv[1];
  percent = std::atoi(argv[2]);
  most = std::atol(argv[3]);
  Verilated::randReset(2);
  top.ap_rst_n = 0;
  for (int i = 0; i < 4; ++i) edge();
  top.ap_rst_n = 1;
  const bytes_t expected = contents(folder + "/expected");
  std::uint64_t address = 0x100000000;
  for (const char *name : {@BUFFERS@}) {
    const int offset = 0x10 + 12 * static_cast<int>(memory.size());
    memory[address] = std::string(name) == "result" ? bytes_t(expected.size(), 0xa5) : contents(folder + "/" + name);
    set_register(offset, static_cast<std::uint32_t>(address));
    set_register(offset + 4, static_cast<std::uint32_t>(address >> 32));
    if (std::string(name) != "result") address += (memory[address].size() + 8191) / 4096 * 4096;
  }
  long bad = 0, runs = 0, cycles = 0;
  std::uint32_t status = ~0u;
  for (; runs < std::atol(argv[4]); ++runs) {
    bytes_t &result = memory[address];
    result.assign(expected.size(), 0xa5);
    const long begun = now;
    set_register(0, 1);
    while (!(get_register(0) & 2)) {
    }
    cycles = now - begun;  // of the last run
    status = get_register(@STATUS@);
    for (std::size_t i = 0; i < expected.size(); ++i) bad += expected[i] != result[i];
  }
  std::printf("status=%u runs=%ld cycles=%ld bytes=%zu bad=%ld\n", status, runs, cycles, expected.size(), bad);
  return bad != 0 || status != 0;
}
