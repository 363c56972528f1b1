#include "market/series.hpp"

#include <fmt/format.h>

namespace tapedeck::market {

std::string to_string(const SeriesKey& key) {
  return fmt::format("{}/{}/{}", key.venue, key.channel, key.instrument);
}

Result<SeriesKey> parse_series_key(std::string_view text) {
  const auto first = text.find('/');
  const auto second = first == text.npos ? text.npos : text.find('/', first + 1);
  if (second == text.npos || first == 0 || second == first + 1 || second + 1 == text.size()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is not a series: write venue/channel/instrument, such as "
                            "binance/trade/BTCUSDT",
                            text.substr(0, 128)));
  }
  return SeriesKey{std::string(text.substr(0, first)),
                   std::string(text.substr(first + 1, second - first - 1)),
                   std::string(text.substr(second + 1))};
}

void put_series(std::string& out, const Series& series) {
  put_text(out, series.key.venue);
  put_text(out, series.key.channel);
  put_text(out, series.key.instrument);
  put_fixed(out, static_cast<std::uint8_t>(series.order));
  put_text(out, series.calendar);
  put_text(out, series.conditions);
}

Series read_series(WireReader& reader) {
  Series series;
  series.key.venue = reader.text();
  series.key.channel = reader.text();
  series.key.instrument = reader.text();
  const auto order = reader.fixed<std::uint8_t>();
  series.calendar = reader.text();
  series.conditions = reader.text();
  if (order > static_cast<std::uint8_t>(TradeOrder::kVenueSequence)) reader.spoil();
  series.order = static_cast<TradeOrder>(order);
  return series;
}

void put_origin(std::string& out, const Origin& origin) {
  put_fixed(out, static_cast<std::uint8_t>(origin.kind));
  put_text(out, origin.key);
  put_fixed(out, origin.first.ns);
  put_fixed(out, static_cast<std::uint8_t>(origin.recv_assumed));
}

Origin read_origin(WireReader& reader) {
  Origin origin;
  const auto kind = reader.fixed<std::uint8_t>();
  origin.key = reader.text();
  origin.first = {reader.fixed<std::int64_t>()};
  origin.recv_assumed = reader.fixed<std::uint8_t>() != 0;
  if (kind > static_cast<std::uint8_t>(OriginKind::kTopic)) reader.spoil();
  origin.kind = static_cast<OriginKind>(kind);
  return origin;
}

SeriesId Catalog::intern(const Series& series) {
  std::unique_lock lock(mutex_);
  const auto [entry, added] =
      series_ids_.emplace(series.key, SeriesId(static_cast<std::uint32_t>(series_.size())));
  if (added) series_.push_back(series);
  return entry->second;
}

OriginId Catalog::intern(const Origin& origin) {
  std::unique_lock lock(mutex_);
  const auto [entry, added] =
      origin_ids_.emplace(origin, OriginId(static_cast<std::uint32_t>(origins_.size())));
  if (added) origins_.push_back(origin);
  return entry->second;
}

const Series& Catalog::series(SeriesId id) const {
  std::shared_lock lock(mutex_);
  return series_.at(id.value);
}

const Origin& Catalog::origin(OriginId id) const {
  std::shared_lock lock(mutex_);
  return origins_.at(id.value);
}

std::size_t Catalog::series_count() const {
  std::shared_lock lock(mutex_);
  return series_.size();
}

std::size_t Catalog::origin_count() const {
  std::shared_lock lock(mutex_);
  return origins_.size();
}

}  // namespace tapedeck::market
