// src/base/check.hpp: TD_CHECK, for what only a bug of ours can break. It aborts, in release too:
// restarting is the recovery, and it is the same code path as after a crash.
#pragma once

namespace tapedeck {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace tapedeck

#define TD_CHECK(condition)               \
  (static_cast<bool>(condition) ? void(0) \
                                : ::tapedeck::check_failed(#condition, __FILE__, __LINE__))
