#include "base/log.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cmath>
#include <mutex>

namespace tapedeck {
namespace {

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

// Length of the valid UTF-8 sequence at the front of `text`, or 0. Ranges: RFC 3629 section 4.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!tail(1) || !tail(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

// Text fields are quoted where they would break the line's `name=value` shape or hold bytes that
// are not for a terminal: then quoting changes them.
std::string text_value(std::string_view v) {
  const std::string quoted = json_quote(v);
  const bool plain = !v.empty() && quoted.size() == v.size() + 2 && v.find_first_of(" =") == v.npos;
  return plain ? std::string(v) : quoted;
}

// One record is one line, whatever a message from outside holds.
std::string one_line(std::string_view message) {
  std::string line;
  while (!message.empty()) {
    const std::size_t length = utf8_length(message);
    const auto c = static_cast<unsigned char>(message.front());
    if (length == 0 || c < 0x20 || c == 0x7F) {
      line += ' ';
      message.remove_prefix(1);
    } else {
      line += message.substr(0, length);
      message.remove_prefix(length);
    }
  }
  return line;
}

std::string render(const LogField& field, LogFormat format) {
  struct Visitor {
    LogFormat format;
    std::string operator()(std::string_view v) const {
      return format == LogFormat::kJson ? json_quote(v) : text_value(v);
    }
    std::string operator()(const Secret*) const { return (*this)(std::string_view("***")); }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(double v) const {
      return std::isfinite(v) ? fmt::format("{}", v)
                              : (*this)(std::string_view(fmt::format("{}", v)));
    }
    std::string operator()(std::int64_t v) const { return fmt::format("{}", v); }
    std::string operator()(std::uint64_t v) const { return fmt::format("{}", v); }
  };
  return std::visit(Visitor{format}, field.value);
}

}  // namespace

struct Log::Output {
  explicit Output(Sink sink_in) : sink(std::move(sink_in)) {}
  std::mutex mutex;
  Sink sink;
};

Log::Log(const Clock& clock, LogFormat format, LogLevel least)
    : clock_(clock), format_(format), least_(least) {
  auto logger = std::make_shared<spdlog::logger>("tapedeck",
                                                 std::make_shared<spdlog::sinks::stderr_sink_st>());
  logger->set_pattern("%v");
  output_ = std::make_unique<Output>([logger](LogLevel, std::string_view line) {
    logger->info(line);
    logger->flush();
  });
}

Log::Log(const Clock& clock, LogFormat format, LogLevel least, Sink sink)
    : clock_(clock),
      format_(format),
      least_(least),
      output_(std::make_unique<Output>(std::move(sink))) {}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view message, Fields fields) {
  if (level < least_) return;
  std::string line;
  if (format_ == LogFormat::kJson) {
    line = fmt::format("{{\"ts\":\"{}\",\"level\":\"{}\",\"message\":{}", to_iso(clock_.now()),
                       name_of(level), json_quote(message));
    for (const LogField& field : fields) {
      line += fmt::format(",{}:{}", json_quote(field.name), render(field, format_));
    }
    line += "}";
  } else {
    line = fmt::format("{} {:<7} {}", to_iso(clock_.now()), name_of(level), one_line(message));
    for (const LogField& field : fields) {
      line += fmt::format(" {}={}", field.name, render(field, format_));
    }
  }
  std::lock_guard lock(output_->mutex);
  output_->sink(level, line);
}

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    if (length > 1) {
      out += text.substr(0, length);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
    text.remove_prefix(length);
  }
  out += '"';
  return out;
}

}  // namespace tapedeck
