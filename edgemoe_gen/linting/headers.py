"""Stand-ins for the headers of Vitis HLS and of the standard library that the engine may include.

They declare only the names of synthesisable code, so lint needs no compiler and no other package. A type has its real
name; its arithmetic is that of `long long`, because lint looks at structure and not at values.
"""

from __future__ import annotations

_INTEGER = """
template <int BITS>
struct {name} {{
  long long bits;
  constexpr {name}() = default;
  constexpr {name}(long long value) : bits(value) {{}}
  template <int OTHER>
  constexpr {name}(const ap_int<OTHER> &value) : bits(value.bits) {{}}
  template <int OTHER>
  constexpr {name}(const ap_uint<OTHER> &value) : bits(value.bits) {{}}
  constexpr operator long long() const {{ return bits; }}
  ap_field range(int high, int low);
  ap_field range(int high, int low) const;
  ap_field operator()(int high, int low);
  ap_field operator()(int high, int low) const;
  bool operator[](int index) const;
  bool get_bit(int index) const;
  void set_bit(int index, bool value);
  int to_int() const;
  unsigned to_uint() const;
  long long to_int64() const;
  unsigned long long to_uint64() const;
  int length() const;
  {name} &operator+=(long long value);
  {name} &operator-=(long long value);
  {name} &operator*=(long long value);
  {name} &operator/=(long long value);
  {name} &operator%=(long long value);
  {name} &operator<<=(int shift);
  {name} &operator>>=(int shift);
  {name} &operator&=(long long value);
  {name} &operator|=(long long value);
  {name} &operator^=(long long value);
  {name} &operator++();
  {name} operator++(int);
  {name} &operator--();
  {name} operator--(int);
}};
"""

AP_INT = (
    """#pragma once
template <int BITS>
struct ap_int;
template <int BITS>
struct ap_uint;
struct ap_field {
  ap_field &operator=(long long value);
  ap_field &operator=(const ap_field &value);
  operator long long() const;
  int to_int() const;
  unsigned to_uint() const;
};
"""
    + _INTEGER.format(name="ap_int")
    + _INTEGER.format(name="ap_uint")
)

HLS_STREAM = """#pragma once
namespace hls {
template <typename T, int DEPTH = 0>
class stream {
 public:
  stream();
  explicit stream(const char *name);
  stream(const stream &other);
  stream &operator=(const stream &other) = delete;
  void write(const T &value);
  bool write_nb(const T &value);
  T read();
  void read(T &value);
  bool read_nb(T &value);
  void operator<<(const T &value);
  void operator>>(T &value);
  bool empty() const;
  bool full() const;
  unsigned size() const;
};
}  // namespace hls
"""

CSTDINT = """#pragma once
namespace std {
using int8_t = signed char;
using int16_t = short;
using int32_t = int;
using int64_t = long long;
using uint8_t = unsigned char;
using uint16_t = unsigned short;
using uint32_t = unsigned;
using uint64_t = unsigned long long;
}  // namespace std
"""

CSTDDEF = """#pragma once
namespace std {
using size_t = decltype(sizeof(0));
}  // namespace std
"""

HEADERS = {"ap_int.h": AP_INT, "hls_stream.h": HLS_STREAM, "cstdint": CSTDINT, "cstddef": CSTDDEF}
# What reads from a stream, and what writes to it.
STREAM_READS = frozenset({"read", "read_nb", "operator>>", "empty"})
STREAM_WRITES = frozenset({"write", "write_nb", "operator<<", "full"})
