#include "feeds/replay/mapped_records.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "feeds/csv_row.hpp"
#include "feeds/json_reader.hpp"
#include "feeds/trade_fields.hpp"

namespace tapedeck::feeds::replay {
namespace {

using Texts = std::array<std::optional<std::string_view>, kColumnFields>;
constexpr std::size_t kHeaderFieldsMax = 10'000;

std::unexpected<Flaw> bad(std::string_view reason, std::string detail) {
  return std::unexpected(Flaw{reason, std::move(detail)});
}

class MappedParser : public RecordParser {
 public:
  MappedParser(ColumnMap map, std::string symbol)
      : map_(std::move(map)), symbol_(std::move(symbol)) {}

  std::expected<ParsedRecord, Flaw> parse(std::string_view record) final {
    Texts texts;
    if (auto read = read_fields(record, texts); !read) {
      return std::unexpected(std::move(read.error()));
    }
    for (const ColumnField field : {ColumnField::kTime, ColumnField::kPrice, ColumnField::kSize}) {
      if (!text_at(texts, field)) {
        return bad("missing_field", fmt::format("there is no column {}", map_[field]->name));
      }
    }
    ParsedRecord out;
    auto time = take_time(*text_at(texts, ColumnField::kTime), map_[ColumnField::kTime]->unit);
    if (!time) return std::unexpected(std::move(time.error()));
    out.ts_event = *time;
    auto price = take_price(*text_at(texts, ColumnField::kPrice));
    if (!price) return std::unexpected(std::move(price.error()));
    out.price = *price;
    auto size = take_size(*text_at(texts, ColumnField::kSize));
    if (!size) return std::unexpected(std::move(size.error()));
    out.size = *size;
    if (map_[ColumnField::kRecv]) {
      auto recv = take_time(text_at(texts, ColumnField::kRecv).value_or(""),
                            map_[ColumnField::kRecv]->unit);
      if (!recv) return std::unexpected(std::move(recv.error()));
      out.ts_recv = *recv;
    }
    if (map_[ColumnField::kSequence]) {
      auto sequence = take_id(text_at(texts, ColumnField::kSequence).value_or(""));
      if (!sequence) return bad("bad_sequence", "sequence " + sequence.error().detail);
      out.sequence = *sequence;
    }
    if (const auto id = take_id(text_at(texts, ColumnField::kId).value_or(""))) out.id = *id;
    out.side = take_side(text_at(texts, ColumnField::kSide).value_or(""));
    out.symbol = text_at(texts, ColumnField::kSymbol).value_or("");
    if (out.symbol.empty()) out.symbol = symbol_;
    return out;
  }

 protected:
  // Fills in the texts of mapped columns that are there.
  virtual std::expected<void, Flaw> read_fields(std::string_view record, Texts& texts) = 0;
  const ColumnMap& map() const { return map_; }

 private:
  static std::optional<std::string_view> text_at(const Texts& texts, ColumnField field) {
    return texts.at(static_cast<std::size_t>(field));
  }

  ColumnMap map_;
  std::string symbol_;
};

class CsvParser final : public MappedParser {
 public:
  CsvParser(ColumnMap map, std::string symbol) : MappedParser(std::move(map), std::move(symbol)) {
    for (const auto& column : this->map().columns) {
      if (column) columns_wanted_ = std::max(columns_wanted_, *column->index + 1);
    }
  }

 private:
  std::expected<void, Flaw> read_fields(std::string_view record, Texts& texts) override {
    std::string_view field;
    std::size_t quoted = 0;
    bool more = true;
    for (std::size_t i = 0; more && i < columns_wanted_; ++i) {
      std::string& scratch = unquoted_[std::min(quoted, unquoted_.size() - 1)];
      if (!next_csv_field(record, more, field, scratch)) {
        return bad("malformed", fmt::format("the quotes of column #{} do not match", i));
      }
      for (std::size_t f = 0; f < kColumnFields; ++f) {
        const auto& column = map().columns[f];
        if (!column || column->index != i) continue;
        texts[f] = field;
        if (field.data() == scratch.data()) quoted = std::min(quoted + 1, unquoted_.size() - 1);
      }
    }
    return {};
  }

  std::size_t columns_wanted_ = 0;
  std::array<std::string, kColumnFields + 1> unquoted_;  // the last: of columns not asked for
};

class JsonRowParser final : public MappedParser {
 public:
  using MappedParser::MappedParser;

 private:
  std::expected<void, Flaw> read_fields(std::string_view record, Texts& texts) override {
    const auto malformed = [](simdjson::error_code code) {
      return bad("malformed", fmt::format("not JSON: {}", simdjson::error_message(code)));
    };
    simdjson::ondemand::document document;
    if (const auto code = json_.iterate(record).get(document)) return malformed(code);
    simdjson::ondemand::json_type type;
    if (const auto code = document.type().get(type)) return malformed(code);

    if (type == simdjson::ondemand::json_type::array) {
      std::size_t index = 0;
      simdjson::ondemand::array array;
      if (const auto code = document.get_array().get(array)) return malformed(code);
      for (auto element : array) {
        simdjson::ondemand::value value;
        if (const auto code = element.get(value)) return malformed(code);
        take(value, texts, [index](const Column& column) { return column.index == index; });
        ++index;
      }
    } else if (type == simdjson::ondemand::json_type::object) {
      simdjson::ondemand::object object;
      if (const auto code = document.get_object().get(object)) return malformed(code);
      for (auto member : object) {
        std::string_view key;
        simdjson::ondemand::value value;
        if (const auto code = member.unescaped_key().get(key)) return malformed(code);
        if (const auto code = member.value().get(value)) return malformed(code);
        take(value, texts, [key](const Column& column) { return column.name == key; });
      }
    } else {
      return bad("malformed", "neither an array nor an object");
    }
    if (!is_whole(document)) return malformed(simdjson::TAPE_ERROR);
    return {};
  }

  template <class Matches>
  void take(simdjson::ondemand::value& value, Texts& texts, Matches matches) {
    for (std::size_t f = 0; f < kColumnFields; ++f) {
      const auto& column = map().columns[f];
      if (!column || !matches(*column)) continue;
      if (!value.raw_json_token().starts_with('n')) texts[f] = text_of(value);  // null: not there
    }
  }

  JsonReader json_;
};

}  // namespace

Result<bool> bind_header(ColumnMap& map, std::string_view first_row) {
  const auto fields = split_csv_row(first_row, kHeaderFieldsMax);
  if (!map.uses_names()) {
    const auto is_number = [&](ColumnField field) {
      const Column& column = *map[field];
      if (!fields || *column.index >= fields->size()) return false;
      const std::string& text = (*fields)[*column.index];
      return column.unit == TimeUnit::kIso ? parse_iso(text).has_value()
                                           : market::parse_decimal(text).has_value();
    };
    return !is_number(ColumnField::kTime) && !is_number(ColumnField::kPrice) &&
           !is_number(ColumnField::kSize) && fields && fields->size() > 1;
  }
  if (!fields) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the quotes of its header '{}' do not match", first_row.substr(0, 512)));
  }
  for (auto& column : map.columns) {
    if (!column || column->index) continue;
    const auto found = std::ranges::find(*fields, column->name);
    if (found == fields->end()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("there is no column '{}'; the header is '{}'", column->name,
                              first_row.substr(0, 512)));
    }
    column->index = static_cast<std::size_t>(found - fields->begin());
  }
  return true;
}

std::unique_ptr<RecordParser> csv_parser(ColumnMap map, std::string symbol) {
  return std::make_unique<CsvParser>(std::move(map), std::move(symbol));
}
std::unique_ptr<RecordParser> json_parser(ColumnMap map, std::string symbol) {
  return std::make_unique<JsonRowParser>(std::move(map), std::move(symbol));
}

}  // namespace tapedeck::feeds::replay
