// src/app/signals.hpp: the signals of a program that serves, taken by whoever asks for them.
// Thread: made before any other thread, so that all inherit the mask; then one at a time.
#pragma once

#include <algorithm>
#include <csignal>
#include <ctime>
#include <initializer_list>

#include "base/time.hpp"

namespace tapedeck::app {

class Signals {
 public:
  // Blocks these, and ignores SIGPIPE.
  explicit Signals(std::initializer_list<int> taken) {
    sigemptyset(&set_);
    for (const int one : taken) sigaddset(&set_, one);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    signal(SIGPIPE, SIG_IGN);
  }
  // The next one.
  int wait() const {
    int received = 0;
    sigwait(&set_, &received);
    return received;
  }
  // The next one, waited for as long as `max`; 0: none came.
  int next(Duration max) const {
    const timespec wait{.tv_sec = max.ns / 1'000'000'000, .tv_nsec = max.ns % 1'000'000'000};
    return std::max(0, sigtimedwait(&set_, nullptr, &wait));
  }

 private:
  sigset_t set_{};
};

}  // namespace tapedeck::app
