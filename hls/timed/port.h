// An AXI port of the timed run: the buffer behind it, and the adapter that tells when its beats come.
#pragma once

#include "scheduler.h"

#include <cstdint>
#include <stdexcept>

namespace edgemoe {
namespace timed {

template <typename T>
class port_t {
 public:
  port_t(T *data, std::uint64_t size, axi_t *axi) : data_(data), size_(size), axi_(axi) {}

  T &operator[](std::uint64_t index) const {
    if (index >= size_) throw std::out_of_range("AXI port " + axi_->name + " reaches beyond its buffer");
    scheduler_t::active()->current().access(*axi_, index);
    return data_[index];
  }

  void open_burst(std::uint64_t first, std::uint64_t beats) const {
    if (beats == 0) return;
    if (first > size_ || beats > size_ - first) {
      throw std::out_of_range("a burst of AXI port " + axi_->name + " reaches beyond its buffer");
    }
    scheduler_t::active()->current().open_burst(*axi_, first, beats);
  }

 private:
  T *data_;
  std::uint64_t size_;
  axi_t *axi_;
};

}  // namespace timed
}  // namespace edgemoe
