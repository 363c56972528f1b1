#include "api/rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <iterator>

#include "base/check.hpp"
#include "base/csv.hpp"
#include "base/log.hpp"
#include "market/calendar.hpp"

namespace tapedeck::api {
namespace {

template <class T>
struct Word {
  std::string_view text;
  T value;
};

template <class T, std::size_t N>
Result<T> parse_word(std::string_view what, std::string_view text, const Word<T> (&words)[N]) {
  std::string allowed;
  for (const auto& [word, value] : words) {
    if (word == text) return value;
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", word);
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} '{}' is not known: use {}", what, text, allowed));
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// "2013-10-07".
std::optional<std::chrono::year_month_day> parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || !all_digits(text.substr(0, 4)) ||
      !all_digits(text.substr(5, 2)) || !all_digits(text.substr(8, 2))) {
    return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t size) {
    unsigned value = 0;
    std::from_chars(text.data() + at, text.data() + at + size, value);
    return value;
  };
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(number(0, 4))),
                                         std::chrono::month(number(5, 2)),
                                         std::chrono::day(number(8, 2))};
  // Years that nanoseconds since 1970 can say.
  if (!date.ok() || int(date.year()) < 1700 || int(date.year()) > 2200) return std::nullopt;
  return date;
}

}  // namespace

Result<Format> parse_format(std::string_view text) {
  static constexpr Word<Format> kWords[]{
      {"json", Format::kJson}, {"ndjson", Format::kNdjson}, {"csv", Format::kCsv}};
  return parse_word("format", text, kWords);
}

Result<TimeForm> parse_time_form(std::string_view text) {
  static constexpr Word<TimeForm> kWords[]{
      {"ns", TimeForm::kNanoseconds}, {"ms", TimeForm::kMilliseconds}, {"iso", TimeForm::kIso}};
  return parse_word("time", text, kWords);
}

Result<NumberForm> parse_number_form(std::string_view text) {
  static constexpr Word<NumberForm> kWords[]{{"string", NumberForm::kString},
                                             {"number", NumberForm::kNumber}};
  return parse_word("numbers", text, kWords);
}

Result<std::string> parse_zone(std::string_view text) {
  if (auto offset = market::utc_offset(text, Timestamp{}); !offset) {
    return fail(ErrorCode::kInvalidArgument, std::move(offset.error().message));
  }
  return std::string(text);
}

std::string_view content_type_of(Format format) {
  switch (format) {
    case Format::kJson:
      return "application/json";
    case Format::kNdjson:
      return "application/x-ndjson";
    case Format::kCsv:
      return "text/csv; charset=utf-8";
  }
  return "application/json";
}

std::string to_iso_at(Timestamp t, Duration zone_offset) {
  const bool is_far = t.ns > kLatestPlausible.ns * 2 || t.ns < -kLatestPlausible.ns * 2;
  if (zone_offset == Duration{} || is_far) return to_iso(t);
  std::string text = to_iso(t + zone_offset);
  text.pop_back();  // the Z
  const std::int64_t minutes_ahead = zone_offset.ns / minutes(1).ns;
  const std::int64_t size = std::abs(minutes_ahead);
  return text + fmt::format("{}{:02}:{:02}", minutes_ahead < 0 ? '-' : '+', size / 60, size % 60);
}

Result<Timestamp> parse_instant(std::string_view text, std::string_view zone, Timestamp now) {
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no time: write 2013-10-07T13:30:00Z, 2013-10-07, -1h, now, or "
                            "nanoseconds since 1970",
                            text.substr(0, 64)));
  };
  if (text == "now") return now;
  if (all_digits(text)) {
    std::int64_t ns = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), ns);
    if (ec != std::errc()) return wrong();
    return Timestamp{ns};
  }
  if (text.starts_with('-')) {
    const auto before = parse_duration(text.substr(1));
    if (!before) return wrong();
    return now - *before;
  }
  if (const auto date = parse_date(text)) return market::local_midnight(zone, *date);
  std::string whole(text);
  // A '+' that was not written as %2B has become a blank on its way.
  if (whole.size() > 19 && whole[whole.size() - 6] == ' ') whole[whole.size() - 6] = '+';
  if (const auto at = parse_iso(whole)) return *at;
  // Without an offset: as if of UTC, to know the date and the time of day.
  const auto local = parse_iso(whole + "Z");
  const auto date = parse_date(std::string_view(whole).substr(0, 10));
  if (!local || !date) return wrong();
  const Timestamp midnight{std::chrono::duration_cast<std::chrono::nanoseconds>(
                               std::chrono::sys_days(*date).time_since_epoch())
                               .count()};
  return market::local_time(zone, *date, *local - midnight);
}

RowWriter::RowWriter(const Form& form, std::vector<std::string> columns)
    : form_(form), columns_(std::move(columns)) {
  TD_CHECK(!columns_.empty());
  if (form_.format == Format::kCsv) {
    for (const std::string& column : columns_) {
      out_ += fmt::format("{}{}", &column == columns_.data() ? "" : ",", csv_field(column));
    }
    out_ += '\n';
    return;
  }
  for (const std::string& column : columns_) keys_.push_back(json_quote(column) + ':');
  if (form_.format == Format::kJson) out_ = "[";
}

void RowWriter::begin_cell() {
  if (form_.format == Format::kCsv) {
    if (column_ > 0) out_ += ',';
    return;
  }
  if (column_ == 0) {
    if (form_.format == Format::kJson && rows_ > 0) out_ += ',';
    out_ += '{';
  } else {
    out_ += ',';
  }
  out_ += keys_[column_];
}

void RowWriter::end_cell() {
  if (++column_ < columns_.size()) return;
  column_ = 0;
  ++rows_;
  if (form_.format != Format::kCsv) out_ += '}';
  if (form_.format != Format::kJson) out_ += '\n';
}

void RowWriter::plain(std::string_view text) {
  begin_cell();
  out_ += text;
  end_cell();
}

void RowWriter::quoted(std::string_view text) {
  begin_cell();
  if (form_.format == Format::kCsv) {
    out_ += text;
  } else {
    out_ += '"';
    out_ += text;
    out_ += '"';
  }
  end_cell();
}

void RowWriter::number(std::string_view text) {
  form_.numbers == NumberForm::kNumber ? plain(text) : quoted(text);
}

void RowWriter::text(std::string_view value) {
  begin_cell();
  out_ += form_.format == Format::kCsv ? csv_field(value) : json_quote(value);
  end_cell();
}

void RowWriter::list(std::span<const std::string> values) {
  std::string joined;
  const bool is_csv = form_.format == Format::kCsv;
  for (const std::string& value : values) {
    if (&value != values.data()) joined += is_csv ? ';' : ',';
    joined += is_csv ? value : json_quote(value);
  }
  plain(is_csv ? csv_field(joined) : fmt::format("[{}]", joined));
}

void RowWriter::decimal(std::string_view canonical) {
  if (canonical.empty() || canonical == "overflow") return absent();
  number(canonical);
}

void RowWriter::decimal(const std::optional<market::Decimal>& value) {
  value ? number(market::to_string(*value)) : absent();
}

void RowWriter::count(std::uint64_t value) { number(fmt::format_int(value).c_str()); }
void RowWriter::integer(std::int64_t value) { number(fmt::format_int(value).c_str()); }
void RowWriter::small(std::uint64_t value) { plain(fmt::format_int(value).c_str()); }
void RowWriter::flag(bool value) { plain(value ? "true" : "false"); }

void RowWriter::real(double value) {
  std::isfinite(value) ? plain(fmt::format("{}", value)) : absent();
}

void RowWriter::instant(std::optional<Timestamp> value) {
  if (!value) return absent();
  switch (form_.time) {
    case TimeForm::kNanoseconds:
      return number(fmt::format_int(value->ns).c_str());
    case TimeForm::kMilliseconds:
      return plain(fmt::format_int(floor_to(*value, milliseconds(1)).ns / 1'000'000).c_str());
    case TimeForm::kIso:
      break;
  }
  const std::int64_t quarter = floor_to(*value, minutes(15)).ns;
  if (quarter != quarter_) {
    quarter_ = quarter;
    zone_offset_ = market::utc_offset(form_.zone, *value).value_or(Duration{});
  }
  quoted(to_iso_at(*value, zone_offset_));
}

void RowWriter::absent() { plain(form_.format == Format::kCsv ? "" : "null"); }

std::string RowWriter::finish() && {
  TD_CHECK(column_ == 0);
  if (form_.format == Format::kJson) out_ += ']';
  return std::move(out_);
}

}  // namespace tapedeck::api
