// A queue in a ring of a power of two places that grows when it is full: nothing is allocated while a loop runs.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace edgemoe {
namespace timed {

template <typename T>
class ring_t {
 public:
  bool empty() const { return first_ == end_; }
  std::size_t size() const { return end_ - first_; }
  T &front() { return places_[first_ & mask_]; }
  T &back() { return places_[(end_ - 1) & mask_]; }
  T &operator[](std::size_t i) { return places_[(first_ + i) & mask_]; }
  void push(const T &value) {
    if (size() == places_.size()) grow();
    places_[end_++ & mask_] = value;
  }
  void pop() { ++first_; }
  void drop(std::size_t count) { first_ += count; }
  void clear() { first_ = end_ = 0; }

 private:
  void grow() {
    std::vector<T> larger(places_.empty() ? 16 : 2 * places_.size());
    const std::size_t count = size();
    for (std::size_t i = 0; i < count; ++i) larger[i] = std::move((*this)[i]);
    places_ = std::move(larger);
    mask_ = places_.size() - 1;
    first_ = 0;
    end_ = count;
  }

  std::vector<T> places_;
  std::size_t mask_ = 0;
  std::size_t first_ = 0;
  std::size_t end_ = 0;
};

}  // namespace timed
}  // namespace edgemoe
