// src/api/rows.hpp: rows of named values as text: JSON, NDJSON or CSV, with times and numbers in
// the form that the reader asked for. Also what `tapedeck query` prints. Thread: one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "market/decimal.hpp"

namespace tapedeck::api {

enum class Format { kJson, kNdjson, kCsv };
enum class TimeForm { kNanoseconds, kMilliseconds, kIso };
enum class NumberForm {
  kString,  // exact whatever reads it: decimals, nanoseconds and large counts are JSON strings
  kNumber,  // JSON numbers; exact as text
};

struct Form {
  Format format = Format::kJson;
  TimeForm time = TimeForm::kNanoseconds;
  NumberForm numbers = NumberForm::kString;
  std::string zone = "UTC";  // IANA; of kIso
};

// Errors: kInvalidArgument, naming what is allowed.
Result<Format> parse_format(std::string_view text);
Result<TimeForm> parse_time_form(std::string_view text);
Result<NumberForm> parse_number_form(std::string_view text);
Result<std::string> parse_zone(std::string_view text);

std::string_view content_type_of(Format format);

// Row after row; of each, its values in the order of the columns.
class RowWriter {
 public:
  RowWriter(const Form& form, std::vector<std::string> columns);

  void text(std::string_view value);
  void list(std::span<const std::string> values);  // CSV: joined by ';'
  void decimal(std::string_view canonical);        // empty or "overflow": absent
  void decimal(const std::optional<market::Decimal>& value);
  void count(std::uint64_t value);  // may exceed what a browser's numbers hold
  void integer(std::int64_t value);
  void small(std::uint64_t value);  // always a number
  void real(double value);          // always a number; absent where JSON has none for it
  void instant(std::optional<Timestamp> value);
  void flag(bool value);
  void absent();

  // JSON: an array of objects; else lines. All rows are whole.
  std::string finish() &&;

 private:
  void begin_cell();
  void end_cell();
  void plain(std::string_view text);   // as it is, in every format
  void quoted(std::string_view text);  // quoted in JSON, plain in CSV
  void number(std::string_view text);  // as the form of numbers says

  const Form form_;
  const std::vector<std::string> columns_;
  std::vector<std::string> keys_;  // "\"name\":"
  std::string out_;
  std::size_t column_ = 0;
  std::size_t rows_ = 0;
  // The offset of the zone changes at quarters of an hour.
  std::int64_t quarter_ = -1;
  Duration zone_offset_;
};

// "2013-10-07T09:29:50.000000000-04:00" at this offset from UTC, "...Z" at none.
std::string to_iso_at(Timestamp t, Duration zone_offset);

// An instant as a person writes it: ns since 1970; "now"; "-1h" before now; a date, midnight on the
// clocks of `zone`; ISO 8601, without Z or an offset on those clocks. Errors: kInvalidArgument.
Result<Timestamp> parse_instant(std::string_view text, std::string_view zone, Timestamp now);

}  // namespace tapedeck::api
