// Integers of exact width for the compiler that schedules are made with: ap_int's growth rules on clang's _BitInt.
//
// Nothing here is simulated, so only what the kernels write is there; everything is inlined into the kernels.
#pragma once

#include <type_traits>

#define EDGEMOE_INLINED __attribute__((always_inline, nodebug)) inline

template <int BITS, bool SIGNED>
struct ap_base;

namespace exact {

// _BitInt(1) holds only -1 and 0 and does not exist signed in one bit for every compiler: two bits hold both.
template <int BITS, bool SIGNED>
struct raw {
  using type = unsigned _BitInt(BITS);
};
template <int BITS>
struct raw<BITS, true> {
  using type = signed _BitInt(BITS < 2 ? 2 : BITS);
};
template <int BITS, bool SIGNED>
using raw_t = typename raw<BITS, SIGNED>::type;

// Width and sign of a number, native or of exact width.
template <typename T, typename = void>
struct traits {
  static constexpr bool exact = false;
  static constexpr bool number = false;
};
template <typename T>
struct traits<T, std::enable_if_t<std::is_integral_v<T>>> {
  static constexpr bool exact = false;
  static constexpr bool number = true;
  static constexpr int bits = std::is_same_v<T, bool> ? 1 : 8 * static_cast<int>(sizeof(T));
  static constexpr bool is_signed = std::is_signed_v<T>;
};
template <int BITS, bool SIGNED>
struct traits<ap_base<BITS, SIGNED>> {
  static constexpr bool exact = true;
  static constexpr bool number = true;
  static constexpr int bits = BITS;
  static constexpr bool is_signed = SIGNED;
};
template <typename A, typename B>
concept mixed = traits<A>::number && traits<B>::number && (traits<A>::exact || traits<B>::exact);

constexpr int larger(int a, int b) { return a > b ? a : b; }
// Bits of A beside B: one more where only the other one has a sign.
template <typename A, typename B>
constexpr int beside = traits<A>::bits + (traits<B>::is_signed && !traits<A>::is_signed ? 1 : 0);
template <typename A, typename B>
constexpr int both = larger(beside<A, B>, beside<B, A>);
template <typename A, typename B>
constexpr bool either_signed = traits<A>::is_signed || traits<B>::is_signed;

template <typename T>
EDGEMOE_INLINED constexpr auto value_of(const T &number) {
  if constexpr (traits<T>::exact) {
    return number.value;
  } else {
    return number;
  }
}

}  // namespace exact

// Bits `low` and up of a number, `bits` of them; reads and writes.
template <int BITS, bool SIGNED>
struct ap_range {
  using word_t = unsigned _BitInt(BITS);
  ap_base<BITS, SIGNED> *number;
  int low;
  int bits;

  EDGEMOE_INLINED word_t get() const { return static_cast<word_t>(number->value) >> low & mask(); }
  EDGEMOE_INLINED unsigned to_uint() const { return static_cast<unsigned>(get()); }
  template <typename T>
  EDGEMOE_INLINED void set(T value) {
    const word_t kept = static_cast<word_t>(number->value) & static_cast<word_t>(~static_cast<word_t>(mask() << low));
    const word_t fresh = static_cast<word_t>((static_cast<word_t>(value) & mask()) << low);
    number->value = static_cast<exact::raw_t<BITS, SIGNED>>(kept | fresh);
  }
  template <typename T>
  requires exact::traits<T>::number EDGEMOE_INLINED ap_range &operator=(const T &value) {
    set(exact::value_of(value));
    return *this;
  }
  template <int OTHER, bool OTHER_SIGNED>
  EDGEMOE_INLINED ap_range &operator=(const ap_range<OTHER, OTHER_SIGNED> &other) {
    set(other.get());
    return *this;
  }

 private:
  EDGEMOE_INLINED word_t mask() const {
    return bits >= BITS ? static_cast<word_t>(~word_t(0)) : static_cast<word_t>((word_t(1) << bits) - 1);
  }
};

template <int BITS, bool SIGNED>
struct ap_base {
  using raw_t = exact::raw_t<BITS, SIGNED>;
  raw_t value;

  ap_base() = default;
  ap_base(const ap_base &) = default;
  ap_base &operator=(const ap_base &) = default;
  template <typename T>
  requires exact::traits<T>::number EDGEMOE_INLINED constexpr ap_base(const T &number)
      : value(static_cast<raw_t>(exact::value_of(number))) {}
  template <int OTHER, bool OTHER_SIGNED>
  EDGEMOE_INLINED ap_base(const ap_range<OTHER, OTHER_SIGNED> &range) : value(static_cast<raw_t>(range.get())) {}

  using native_t = std::conditional_t<SIGNED, long long, unsigned long long>;
  EDGEMOE_INLINED constexpr operator native_t() const { return static_cast<native_t>(value); }
  EDGEMOE_INLINED unsigned to_uint() const { return static_cast<unsigned>(value); }
  EDGEMOE_INLINED int to_int() const { return static_cast<int>(value); }
  EDGEMOE_INLINED bool operator[](int bit) const { return (value >> bit & 1) != 0; }
  EDGEMOE_INLINED ap_range<BITS, SIGNED> range(int high, int low) { return {this, low, high - low + 1}; }
  EDGEMOE_INLINED ap_range<BITS, SIGNED> range(int high, int low) const {
    return {const_cast<ap_base *>(this), low, high - low + 1};
  }
  EDGEMOE_INLINED ap_base &operator++() { return *this = ap_base(*this + 1); }
  EDGEMOE_INLINED ap_base &operator--() { return *this = ap_base(*this - 1); }
  EDGEMOE_INLINED ap_base<BITS + 1, true> operator-() const {
    ap_base<BITS + 1, true> result;
    result.value = -static_cast<exact::raw_t<BITS + 1, true>>(value);
    return result;
  }
#define EDGEMOE_ASSIGNED(op)                              \
  template <typename T>                                   \
  EDGEMOE_INLINED ap_base &operator op## = (const T &b) { \
    return *this = ap_base(*this op b);                   \
  }
  EDGEMOE_ASSIGNED(+)
  EDGEMOE_ASSIGNED(-)
  EDGEMOE_ASSIGNED(*)
  EDGEMOE_ASSIGNED(&)
  EDGEMOE_ASSIGNED(|)
  EDGEMOE_ASSIGNED(^)
  EDGEMOE_ASSIGNED(<<)
  EDGEMOE_ASSIGNED(>>)
#undef EDGEMOE_ASSIGNED
};

#define EDGEMOE_BINARY(op, bits, is_signed)                                                                   \
  template <typename A, typename B>                                                                           \
  requires exact::mixed<A, B> EDGEMOE_INLINED auto operator op(const A &a, const B &b) {                      \
    ap_base<(bits), (is_signed)> result;                                                                      \
    using raw_t = typename decltype(result)::raw_t;                                                           \
    result.value =                                                                                            \
        static_cast<raw_t>(static_cast<raw_t>(exact::value_of(a)) op static_cast<raw_t>(exact::value_of(b))); \
    return result;                                                                                            \
  }
EDGEMOE_BINARY(+, (exact::both<A, B> + 1), (exact::either_signed<A, B>))
EDGEMOE_BINARY(-, (exact::both<A, B> + 1), true)
EDGEMOE_BINARY(*, (exact::traits<A>::bits + exact::traits<B>::bits), (exact::either_signed<A, B>))
EDGEMOE_BINARY(/, (exact::traits<A>::bits + (exact::traits<B>::is_signed ? 1 : 0)), (exact::either_signed<A, B>))
EDGEMOE_BINARY(%, (exact::both<A, B>), (exact::traits<A>::is_signed))
EDGEMOE_BINARY(&, (exact::both<A, B>), (exact::either_signed<A, B>))
EDGEMOE_BINARY(|, (exact::both<A, B>), (exact::either_signed<A, B>))
EDGEMOE_BINARY(^, (exact::both<A, B>), (exact::either_signed<A, B>))
#undef EDGEMOE_BINARY

#define EDGEMOE_COMPARED(op)                                                                 \
  template <typename A, typename B>                                                          \
  requires exact::mixed<A, B> EDGEMOE_INLINED bool operator op(const A &a, const B &b) {     \
    using raw_t = exact::raw_t<exact::both<A, B>, exact::either_signed<A, B>>;               \
    return static_cast<raw_t>(exact::value_of(a)) op static_cast<raw_t>(exact::value_of(b)); \
  }
EDGEMOE_COMPARED(==)
EDGEMOE_COMPARED(!=)
EDGEMOE_COMPARED(<)
EDGEMOE_COMPARED(>)
EDGEMOE_COMPARED(<=)
EDGEMOE_COMPARED(>=)
#undef EDGEMOE_COMPARED

#define EDGEMOE_SHIFTED(op)                                                                                        \
  template <int BITS, bool SIGNED, typename T>                                                                     \
  requires exact::traits<T>::number EDGEMOE_INLINED auto operator op(const ap_base<BITS, SIGNED> &a, const T &b) { \
    ap_base<BITS, SIGNED> result;                                                                                  \
    using raw_t = typename decltype(result)::raw_t;                                                                \
    result.value = static_cast<raw_t>(a.value op static_cast<int>(exact::value_of(b)));                            \
    return result;                                                                                                 \
  }
EDGEMOE_SHIFTED(<<)
EDGEMOE_SHIFTED(>>)
#undef EDGEMOE_SHIFTED
#undef EDGEMOE_INLINED

template <int BITS>
using ap_int = ap_base<BITS, true>;
template <int BITS>
using ap_uint = ap_base<BITS, false>;
