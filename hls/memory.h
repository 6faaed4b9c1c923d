// Accesses to on-chip memories. Plain array accesses for synthesis; the timed simulation counts them by bank and cycle.
#pragma once

#include "types.h"

#ifdef EDGEMOE_TIMED
#include "timed/memory.h"
#endif

namespace edgemoe {

// What the timed simulation is told: the bank by its first element, and the place in it.
template <typename T>
inline void note_read(const T &bank, int address) {
#pragma HLS INLINE
#ifdef EDGEMOE_TIMED
  timed::memory_read(&bank, static_cast<std::size_t>(address));
#else
  (void)bank;
  (void)address;
#endif
}
template <typename T>
inline void note_write(const T &bank, int address) {
#pragma HLS INLINE
#ifdef EDGEMOE_TIMED
  timed::memory_write(&bank, static_cast<std::size_t>(address));
#else
  (void)bank;
  (void)address;
#endif
}

// One element of an array of one bank. These are always inlined, so their array parameters need no size.
template <typename T>
inline T read_at(const T *array, int address) {
#pragma HLS INLINE
  note_read(array[0], address);
  return array[address];
}
// The same where a newer value may be at hand: what is read counts only where it is needed.
template <typename T>
inline T read_needed(const T *array, int address, bool needed) {
#pragma HLS INLINE
  if (needed) note_read(array[0], address);
#ifdef EDGEMOE_PLAIN_INTEGERS
  if (!needed) return T();  // what was never written might overflow, which hardware does not mind
#endif
  return array[address];
}
template <typename T>
inline void write_at(T *array, int address, const T &value) {
#pragma HLS INLINE
  note_write(array[0], address);
  array[address] = value;
}

// One lane of a row; every lane is a bank.
template <typename T, int LANES>
inline T read_lane(const T (*memory)[LANES], int address, int lane) {
#pragma HLS INLINE
  note_read(memory[0][lane], address);
  return memory[address][lane];
}
template <typename T, int LANES>
inline void write_lane(T (*memory)[LANES], int address, int lane, const T &value) {
#pragma HLS INLINE
  note_write(memory[0][lane], address);
  memory[address][lane] = value;
}

// The same for an activation memory, whose last addresses may lie in a second array.
inline word_t read_word(const memory_row_t *memory, const memory_row_t *rest, int address, int lane) {
#pragma HLS INLINE
  if (!SPLIT || address < FIRST_DEPTH) return read_lane(memory, address, lane);
  return read_lane(rest, address - FIRST_DEPTH, lane);
}
inline void write_word(memory_row_t *memory, memory_row_t *rest, int address, int lane, const word_t &value) {
#pragma HLS INLINE
  if (!SPLIT || address < FIRST_DEPTH) {
    write_lane(memory, address, lane, value);
  } else {
    write_lane(rest, address - FIRST_DEPTH, lane, value);
  }
}

}  // namespace edgemoe
