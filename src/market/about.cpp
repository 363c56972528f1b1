#include "market/about.hpp"

namespace tapedeck::market {
namespace {

constexpr std::string_view kBegin = R"({"field":")";
constexpr std::string_view kMiddle = R"(","is":")";
constexpr std::string_view kEnd = R"("})";
constexpr std::string_view kUnknown = "unknown";
constexpr std::string_view kMissing = "missing";

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

std::string to_json(const SchemaDrift& drift) {
  std::string out(kBegin);
  for (const char c : std::string_view(drift.field).substr(0, kDriftFieldBytesMax)) {
    out += is_plain(c) ? c : '?';
  }
  out += kMiddle;
  out += drift.is_missing ? kMissing : kUnknown;
  return out += kEnd;
}

std::optional<SchemaDrift> parse_schema_drift(std::string_view body) {
  if (!body.starts_with(kBegin) || !body.ends_with(kEnd)) return std::nullopt;
  body.remove_prefix(kBegin.size());
  const auto middle = body.find(kMiddle);
  if (middle == body.npos) return std::nullopt;
  const std::string_view word = body.substr(middle + kMiddle.size());
  const bool is_missing = word == std::string(kMissing) + std::string(kEnd);
  if (!is_missing && word != std::string(kUnknown) + std::string(kEnd)) return std::nullopt;
  return SchemaDrift{.field = std::string(body.substr(0, middle)), .is_missing = is_missing};
}

}  // namespace tapedeck::market
