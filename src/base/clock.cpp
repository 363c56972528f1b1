#include "base/clock.hpp"

#include <ctime>

namespace tapedeck {
namespace {

std::int64_t read_ns(clockid_t id) {
  timespec ts{};
  clock_gettime(id, &ts);
  return std::int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

}  // namespace

Timestamp SystemClock::now() const { return {read_ns(CLOCK_REALTIME)}; }
Duration SystemClock::elapsed() const { return {read_ns(CLOCK_MONOTONIC)}; }

}  // namespace tapedeck
