// Arguments of a process that is tested alone: of a parameter it is not known whether it is an array of one or no
// array.
#pragma once

#include "fifo.h"

namespace edgemoe {

struct any_array_t {
  void *at;
  template <typename T>
  operator T *() const {
    return static_cast<T *>(at);
  }
};

template <typename T, int N>
struct any_fifo_t {
  using array_t = fifo<T>[N];
  array_t &at;
  operator fifo<T> &() const { return at[0]; }
  operator array_t &() const { return at; }
};

}  // namespace edgemoe
