// src/base/result.hpp: how the world's failures are told. Our own bugs abort instead: see
// check.hpp.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace tapedeck {

enum class ErrorCode {
  kInvalidArgument,  // the caller or the user asked for something that cannot be
  kMalformed,        // bytes from outside that are not what they claim to be
  kNotFound,
  kAlreadyExists,
  kBusy,  // somebody else holds it: a lock, a port
  kPermission,
  kNoSpace,
  kIo,
  kCorrupt,      // our own durable bytes are damaged
  kUnavailable,  // the other side is away; try again
  kTimeout,
  kUnsupported,
  kOverflow,  // an exact value does not fit
};

std::string_view to_string(ErrorCode code);

// True where the same call may succeed later without anybody changing its arguments.
bool is_retryable(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInvalidArgument;
  std::string message;  // what, where and what to do, in one line

  // Context is added going up: "feed kraken: frame 17: price not positive".
  Error within(std::string_view context) &&;
  Error within(std::string_view context) const&;

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

template <class T>
std::unexpected<Error> fail_within(Result<T>&& result, std::string_view context) {
  return std::unexpected(std::move(result.error()).within(context));
}

}  // namespace tapedeck

// Returns from the calling function with the error of `expr`, if it has one.
#define TD_TRY(expr)                                        \
  do {                                                      \
    if (auto td_status = (expr); !td_status) {              \
      return std::unexpected(std::move(td_status.error())); \
    }                                                       \
  } while (false)

#define TD_JOIN_INNER(a, b) a##b
#define TD_JOIN(a, b) TD_JOIN_INNER(a, b)

// TD_ASSIGN(auto x, expr): declares x with the value of `expr`, or returns its error.
#define TD_ASSIGN(declaration, expr) \
  TD_ASSIGN_INNER(declaration, expr, TD_JOIN(td_result_, __LINE__))
#define TD_ASSIGN_INNER(declaration, expr, name)              \
  auto name = (expr);                                         \
  if (!name) return std::unexpected(std::move(name.error())); \
  declaration = *std::move(name)
