#include "indicators/indicator.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tapedeck::indicators {
namespace {

constexpr std::string_view kSession = "session";
constexpr std::size_t kTextMax = 64;  // of a text that is quoted in an error

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t comma; (comma = text.find(',')) != text.npos; text.remove_prefix(comma + 1)) {
    parts.push_back(trimmed(text.substr(0, comma)));
  }
  parts.push_back(trimmed(text));
  return parts;
}

std::unexpected<Error> wrong(std::string_view text, std::string_view why) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("indicator '{}': {}", text.substr(0, kTextMax), why));
}

Result<const IndicatorKind*> find_kind(std::string_view name, std::string_view text) {
  std::string known;
  for (const IndicatorKind& kind : indicator_kinds()) {
    if (kind.name == name) return &kind;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", kind.name);
  }
  return wrong(text,
               fmt::format("there is no '{}'; use one of {}", name.substr(0, kTextMax), known));
}

IndicatorSpec standard_of(const IndicatorKind& kind) {
  IndicatorSpec spec{.kind = &kind};
  for (const Parameter& parameter : kind.parameters) {
    spec.arguments.push_back(market::Decimal::make(parameter.standard, 0));
  }
  return spec;
}

// "takes 3 arguments (fast, slow, signal), as in macd(12,26,9)"
std::string usage_of(const IndicatorKind& kind) {
  if (kind.parameters.empty()) {
    return fmt::format("takes no arguments but '{0}', as in {1}({0})", kSession, kind.name);
  }
  std::string names;
  for (const Parameter& parameter : kind.parameters) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", parameter.name);
  }
  return fmt::format("takes {} argument{} ({}), as in {}", kind.parameters.size(),
                     kind.parameters.size() == 1 ? "" : "s", names, to_string(standard_of(kind)));
}

Result<market::Decimal> parse_argument(std::string_view text, const Parameter& parameter) {
  const auto value = market::parse_decimal(text);
  if (!value || (parameter.whole && value->scale != 0) ||
      *value < market::Decimal::make(parameter.minimum, 0) ||
      *value > market::Decimal::make(parameter.maximum, 0)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} must be a {} from {} to {}, not '{}'", parameter.name,
                            parameter.whole ? "whole number" : "number", parameter.minimum,
                            parameter.maximum, text.substr(0, kTextMax)));
  }
  return *value;
}

}  // namespace

std::string to_string(const Value& value) {
  if (const auto* exact = std::get_if<market::Decimal>(&value)) return market::to_string(*exact);
  return fmt::format("{}", std::get<double>(value));
}

double to_double(const Value& value) {
  if (const auto* exact = std::get_if<market::Decimal>(&value)) return price_double(*exact);
  return std::get<double>(value);
}

std::string to_string(const IndicatorSpec& spec) {
  std::string inside;
  for (const market::Decimal& argument : spec.arguments) {
    inside += fmt::format("{}{}", inside.empty() ? "" : ",", market::to_string(argument));
  }
  if (spec.anchor == Anchor::kSession) {
    inside += fmt::format("{}{}", inside.empty() ? "" : ",", kSession);
  }
  return inside.empty() ? std::string(spec.kind->name)
                        : fmt::format("{}({})", spec.kind->name, inside);
}

Result<IndicatorSpec> parse_indicator(std::string_view text) {
  const std::string_view all = trimmed(text);
  const auto open = all.find('(');
  TD_ASSIGN(const IndicatorKind* kind, find_kind(trimmed(all.substr(0, open)), all));
  if (open == all.npos) return standard_of(*kind);
  if (!all.ends_with(')')) return wrong(all, "its last character must be ')'");

  auto parts = split_at_commas(all.substr(open + 1, all.size() - open - 2));
  IndicatorSpec spec{.kind = kind};
  if (parts.back() == kSession) {
    spec.anchor = Anchor::kSession;
    parts.pop_back();
  }
  if (parts.empty()) {
    spec.arguments = standard_of(*kind).arguments;
    return spec;
  }
  if (parts.size() != kind->parameters.size()) return wrong(all, usage_of(*kind));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto argument = parse_argument(parts[i], kind->parameters[i]);
    if (!argument) return wrong(all, argument.error().message);
    spec.arguments.push_back(*argument);
  }
  if (const auto checked = kind->check(spec.arguments); !checked) {
    return wrong(all, checked.error().message);
  }
  return spec;
}

Result<Indicator> Indicator::make(IndicatorSpec spec, const market::Calendar* calendar) {
  if (spec.anchor != Anchor::kSession) return Indicator(std::move(spec), nullptr);
  if (calendar == nullptr) return wrong(to_string(spec), "a session needs a calendar");
  return Indicator(std::move(spec), calendar);
}

Indicator::Indicator(IndicatorSpec spec, const market::Calendar* calendar)
    : spec_(std::move(spec)), calendar_(calendar) {
  clear();
}

void Indicator::clear() {
  formula_ = spec_.kind->make(spec_.arguments);
  last_.reset();
  not_counted_ = 0;
}

Values Indicator::add(const market::Bar& bar) {
  if (calendar_ != nullptr) {
    if (!last_ || !day_.contains(bar.ts_open)) {
      formula_ = spec_.kind->make(spec_.arguments);
      day_ = calendar_->day_of(bar.ts_open);
    }
    last_ = bar.ts_open;
  }
  if (const auto values = formula_->add(bar)) return *values;
  ++not_counted_;
  return {};
}

std::string Indicator::snapshot() const {
  SnapshotWriter out;
  out.bytes(to_string(spec_));
  out.bytes(calendar_ != nullptr ? calendar_->name() : std::string_view());
  out.u64(not_counted_);
  out.u8(last_ ? 1 : 0);
  if (last_) out.i64(last_->ns);
  formula_->write(out);
  return std::move(out).finish();
}

Status Indicator::restore(std::string_view bytes) {
  clear();
  TD_ASSIGN(SnapshotReader in, SnapshotReader::open(bytes));
  const std::string_view spec = in.bytes();
  const std::string_view calendar = in.bytes();
  if (in.ok() && (spec != to_string(spec_) ||
                  calendar != (calendar_ != nullptr ? calendar_->name() : std::string_view()))) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the snapshot is of '{}' (calendar '{}'), not of '{}'",
                    spec.substr(0, kTextMax), calendar.substr(0, kTextMax), to_string(spec_)));
  }
  const std::uint64_t not_counted = in.u64();
  std::optional<Timestamp> last;
  if (in.flag()) last = Timestamp{in.i64()};
  if (last && (calendar_ == nullptr || !is_plausible(*last))) in.spoil();
  formula_->read(in);
  if (const auto whole = in.finish(); !whole) {
    clear();
    return whole;
  }
  not_counted_ = not_counted;
  last_ = last;
  if (last_) day_ = calendar_->day_of(*last_);
  return {};
}

}  // namespace tapedeck::indicators
