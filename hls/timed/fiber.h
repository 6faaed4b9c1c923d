// Cooperative fibers: a stack of its own for every process, so that kernels run unchanged and stop where they wait.
//
// makecontext starts a stack, _setjmp and _longjmp switch (no system call). Fibers are used again: a body that is over
// leaves its stack to the next one. Compile with -U_FORTIFY_SOURCE: a fortified longjmp refuses to change stacks.
#pragma once

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace edgemoe {
namespace timed {

class fiber_t {
 public:
  using body_t = void (*)(void *);

  fiber_t() : stack_(mmap(nullptr, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    if (stack_ == MAP_FAILED) throw std::bad_alloc();
    mprotect(stack_, GUARD, PROT_NONE);  // a stack that overflows faults, it does not overwrite its neighbour
  }
  fiber_t(const fiber_t &) = delete;
  fiber_t &operator=(const fiber_t &) = delete;
  ~fiber_t() { munmap(stack_, BYTES); }

  // What the next resume() begins with; the body must not throw.
  void prepare(body_t body, void *argument) {
    body_ = body;
    argument_ = argument;
  }

  // Runs the fiber until it suspends or its body is over.
  __attribute__((noinline)) void resume() {
    if (_setjmp(home_) != 0) return;
    if (started_) _longjmp(here_, 1);
    started_ = true;
    starting() = this;
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack_;
    context_.uc_stack.ss_size = BYTES;
    context_.uc_link = nullptr;
    makecontext(&context_, &fiber_t::enter, 0);
    setcontext(&context_);
  }

  // Called on the fiber: back to resume().
  __attribute__((noinline)) void suspend() {
    if (_setjmp(here_) == 0) _longjmp(home_, 1);
  }

 private:
  static constexpr std::size_t BYTES = std::size_t(16) << 20;  // address space; only touched pages take memory
  static constexpr std::size_t GUARD = std::size_t(64) << 10;

  static fiber_t *&starting() {
    static fiber_t *fiber = nullptr;
    return fiber;
  }

  static void enter() {
    fiber_t *fiber = starting();
    for (;;) {
      fiber->body_(fiber->argument_);
      fiber->suspend();
    }
  }

  void *stack_;
  bool started_ = false;
  body_t body_ = nullptr;
  void *argument_ = nullptr;
  ucontext_t context_;
  jmp_buf here_;
  jmp_buf home_;
};

}  // namespace timed
}  // namespace edgemoe
