// src/base/log.hpp: a structured log, as text or as one JSON object a line. Passed in, never
// global. Thread: any. A Secret never reaches the output: its type has no other form than "***".
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.hpp"

namespace tapedeck {

// Text that must not be shown: keys, tokens, URLs that hold them.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& reveal() const { return value_; }  // only where it is sent to its owner
  bool empty() const { return value_.empty(); }

 private:
  std::string value_;
};

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

struct LogField {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, const Secret*> value;

  LogField(std::string_view n, std::string_view v) : name(n), value(v) {}
  LogField(std::string_view n, const std::string& v) : name(n), value(std::string_view(v)) {}
  LogField(std::string_view n, const char* v) : name(n), value(std::string_view(v)) {}
  LogField(std::string_view n, std::int64_t v) : name(n), value(v) {}
  LogField(std::string_view n, int v) : name(n), value(std::int64_t{v}) {}
  LogField(std::string_view n, std::uint64_t v) : name(n), value(v) {}
  LogField(std::string_view n, double v) : name(n), value(v) {}
  LogField(std::string_view n, bool v) : name(n), value(v) {}
  LogField(std::string_view n, const Secret& v) : name(n), value(&v) {}
};

class Log {
 public:
  using Sink = std::function<void(LogLevel, std::string_view line)>;
  using Fields = std::initializer_list<LogField>;

  // To standard error. `clock` is borrowed for the log's life.
  Log(const Clock& clock, LogFormat format, LogLevel least = LogLevel::kInfo);
  // To `sink`, which is called under a lock: for tests.
  Log(const Clock& clock, LogFormat format, LogLevel least, Sink sink);
  ~Log();

  void debug(std::string_view message, Fields fields = {}) {
    write(LogLevel::kDebug, message, fields);
  }
  void info(std::string_view message, Fields fields = {}) {
    write(LogLevel::kInfo, message, fields);
  }
  void warning(std::string_view message, Fields fields = {}) {
    write(LogLevel::kWarning, message, fields);
  }
  void error(std::string_view message, Fields fields = {}) {
    write(LogLevel::kError, message, fields);
  }

 private:
  void write(LogLevel level, std::string_view message, Fields fields);

  const Clock& clock_;
  LogFormat format_;
  LogLevel least_;
  struct Output;
  std::unique_ptr<Output> output_;
};

// `text` as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD, so the result is valid.
std::string json_quote(std::string_view text);

}  // namespace tapedeck
