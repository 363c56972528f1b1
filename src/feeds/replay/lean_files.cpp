#include "feeds/replay/lean_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "feeds/replay/lean_conditions.hpp"
#include "feeds/trade_fields.hpp"
#include "market/calendar.hpp"

namespace tapedeck::feeds::replay {
namespace {

constexpr std::string_view kNewYork = "America/New_York";

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return out;
}
std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; });
  return out;
}

// Exactly `digits` digits.
std::optional<unsigned> number(std::string_view text, std::size_t digits) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.size() != digits || error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == text.npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::unexpected<Flaw> bad(std::string_view reason, std::string detail) {
  return std::unexpected(Flaw{reason, std::move(detail)});
}

class LeanParser final : public RecordParser {
 public:
  LeanParser(const LeanFile& file, Timestamp midnight, bool plain_day)
      : file_(file), midnight_(midnight), plain_day_(plain_day) {}

  std::expected<ParsedRecord, Flaw> parse(std::string_view record) override {
    std::array<std::string_view, 6> column;
    std::size_t columns = 0;
    for (;;) {
      const auto comma = record.find(',');
      if (columns < column.size()) column[columns] = record.substr(0, comma);
      ++columns;
      if (comma == record.npos) break;
      record.remove_prefix(comma + 1);
    }
    if (columns != column.size()) {
      return bad("malformed", fmt::format("{} columns in place of 6: time, price, size, exchange, "
                                          "conditions, suspicious",
                                          columns));
    }
    ParsedRecord out{.symbol = file_.instrument};
    auto time = instant(column[0]);
    if (!time) return std::unexpected(std::move(time.error()));
    out.ts_event = *time;
    auto price = take_price(column[1]);
    if (!price) return std::unexpected(std::move(price.error()));
    out.price = *price;
    if (!file_.future) {
      if (price->scale + kPriceScale > market::kScaleMax) {
        return bad("bad_price", fmt::format("price {} has too many decimals", column[1]));
      }
      out.price = market::Decimal::make(price->mantissa, price->scale + kPriceScale);
    }
    auto size = take_size(column[2]);
    if (!size) return std::unexpected(std::move(size.error()));
    out.size = *size;
    auto conditions = flags(column[4]);
    if (!conditions) return std::unexpected(std::move(conditions.error()));
    out.conditions = *conditions;
    if (column[5] == "1") {
      out.conditions |= kSuspicious;
    } else if (column[5] != "0") {
      return bad("malformed",
                 fmt::format("suspicious is '{}', not 0 or 1", column[5].substr(0, 64)));
    }
    return out;
  }

 private:
  static constexpr int kPriceScale = 4;  // equity prices are x 10000

  std::expected<Timestamp, Flaw> instant(std::string_view text) const {
    std::int64_t ms = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
    if (error != std::errc{} || end != text.data() + text.size() || ms < 0 || ms >= 86'400'000) {
      return bad("bad_time", fmt::format("time '{}' is not in ms since midnight, 0 to 86399999",
                                         text.substr(0, 64)));
    }
    if (plain_day_) return midnight_ + milliseconds(ms);
    auto time = market::local_time(kNewYork, file_.date, milliseconds(ms));
    if (!time) return bad("bad_time", std::move(time.error().message));
    return *time;
  }

  static std::expected<std::uint64_t, Flaw> flags(std::string_view text) {
    std::uint64_t value = 0;
    if (text.empty()) return value;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size() || value >= market::kRepaired) {
      return bad("bad_conditions",
                 fmt::format("conditions '{}' are no hexadecimal bit field", text.substr(0, 64)));
    }
    return value;
  }

  LeanFile file_;
  Timestamp midnight_;
  bool plain_day_;  // of 24 hours: the wall clock is midnight plus what has passed
};

}  // namespace

market::Series LeanFile::series() const {
  return {.key = {future ? "lean-future" : "lean", "trade", instrument},
          .order = market::TradeOrder::kIdentity,
          .calendar = future ? "24x7" : "us_equity",
          .conditions = std::string(future ? kLeanFutureConditions : kLeanConditions)};
}

std::optional<LeanFile> parse_lean_name(std::string_view member_name) {
  const std::string name = lower(member_name);
  if (!name.ends_with(".csv")) return std::nullopt;
  const auto parts = split(std::string_view(name).substr(0, name.size() - 4), '_');
  const bool equity = parts.size() == 4 && parts[2] == "trade" && parts[3] == "tick";
  const bool future = parts.size() == 5 && parts[2] == "tick" && parts[3] == "trade";
  if ((!equity && !future) || parts[1].empty()) return std::nullopt;
  const auto day = number(parts[0], 8);
  if (!day || (future && !number(parts[4], 6))) return std::nullopt;
  LeanFile file{.future = future,
                .date = {std::chrono::year(static_cast<int>(*day / 10'000)),
                         std::chrono::month(*day / 100 % 100), std::chrono::day(*day % 100)},
                .instrument = upper(parts[1])};
  if (future) file.instrument += fmt::format("-{}", parts[4]);
  if (!file.date.ok() || file.date.year() < std::chrono::year(1990) ||
      file.date.year() > std::chrono::year(2099)) {
    return std::nullopt;
  }
  return file;
}

Result<std::unique_ptr<RecordParser>> lean_parser(const LeanFile& file) {
  const std::chrono::sys_days day(file.date);
  if (file.future) {
    const Timestamp midnight = Timestamp{} + hours(24) * day.time_since_epoch().count();
    return std::make_unique<LeanParser>(file, midnight, true);
  }
  TD_ASSIGN(const Timestamp midnight, market::local_midnight(kNewYork, file.date));
  TD_ASSIGN(const Timestamp next_midnight,
            market::local_midnight(kNewYork, day + std::chrono::days(1)));
  return std::make_unique<LeanParser>(file, midnight, next_midnight - midnight == hours(24));
}

}  // namespace tapedeck::feeds::replay
