#include "pipeline/newest_trades.hpp"

#include <algorithm>

namespace tapedeck::pipeline {

void NewestTrades::came(const market::Trade& trade, Duration now) {
  const auto [entry, added] = came_.try_emplace(trade.series);
  if (added) {
    const market::SeriesKey& key = catalog_.series(trade.series).key;
    series_.emplace(symbol_of_ != nullptr ? symbol_of_(key) : key.instrument, trade.series);
  }
  Stream& stream = entry->second;
  stream.series = trade.series;
  stream.newest = std::max(stream.newest, trade.identity.seq);
  stream.last = now;
}

const NewestTrades::Stream* NewestTrades::find(std::string_view symbol) const {
  const auto known = series_.find(symbol);
  return known == series_.end() ? nullptr : &came_.at(known->second);
}

std::optional<NewestTrades::Missed> NewestTrades::told(std::string_view symbol,
                                                       std::uint64_t newest) {
  const Stream* stream = find(symbol);
  if (stream != nullptr && stream->newest >= newest) return std::nullopt;
  std::uint64_t& before = told_.try_emplace(std::string(symbol)).first->second;
  if (before >= newest) return std::nullopt;
  Missed missed{.first = newest, .last = newest};
  if (stream != nullptr) {
    missed.series = stream->series;
    missed.first = stream->newest + 1;
  }
  if (before > 0 && (stream == nullptr || before >= missed.first)) missed.first = before + 1;
  before = newest;
  return missed;
}

void NewestTrades::connected() {
  looks_.clear();
  unheard_.clear();
  next_due_.reset();
}

void NewestTrades::forget(const std::string& symbol) {
  looks_.erase(symbol);
  unheard_.erase(symbol);
}

std::optional<std::string> NewestTrades::next(std::span<const std::string> symbols, Duration now) {
  if (next_due_ && now < *next_due_) return std::nullopt;
  const std::string* most_overdue = nullptr;
  next_due_ = now + kQuiet;
  for (const std::string& symbol : symbols) {
    const auto look = looks_.find(symbol);
    if (look == looks_.end()) {
      next_due_.reset();
      return symbol;
    }
    const Stream* stream = find(symbol);
    const bool is_fresh = stream != nullptr && stream->last > look->second.at;
    const Duration due = is_fresh ? stream->last + kQuiet : look->second.at + look->second.wait;
    if (due >= *next_due_) continue;
    next_due_ = due;
    most_overdue = &symbol;
  }
  if (most_overdue == nullptr || *next_due_ > now) return std::nullopt;
  next_due_.reset();
  return *most_overdue;
}

std::optional<NewestTrades::Missed> NewestTrades::answered(const std::string& symbol,
                                                           std::optional<std::uint64_t> newest,
                                                           Duration now) {
  const auto [look, is_first] = looks_.try_emplace(symbol, Look{.at = now});
  bool may_have_come = is_first;  // on another connection, or as what was refused
  if (!is_first) {
    const Stream* stream = find(symbol);
    const bool is_fresh = stream != nullptr && stream->last > look->second.at;
    may_have_come = last_refused_ && *last_refused_ >= look->second.at;
    look->second.wait = is_fresh ? kQuiet : std::min(look->second.wait * 2, kQuietMax);
    look->second.at = now;
  }
  if (!newest) return std::nullopt;
  auto missed = told(symbol, *newest);
  if (missed && !may_have_come) unheard_[symbol] = {.id = *newest, .since = now};
  return missed;
}

std::optional<std::string> NewestTrades::deaf(Duration now) {
  for (auto one = unheard_.begin(); one != unheard_.end();) {
    const auto& [symbol, unheard] = *one;
    const Stream* stream = find(symbol);
    const bool was_heard = stream != nullptr && stream->newest >= unheard.id;
    if (was_heard) patience_.erase(symbol);
    if (was_heard || (last_refused_ && *last_refused_ >= unheard.since)) {
      one = unheard_.erase(one);
      continue;
    }
    if (now - unheard.since < kOnItsWay) {
      ++one;
      continue;
    }
    std::string found = symbol;
    unheard_.erase(one);
    const auto [patience, is_first] = patience_.try_emplace(found);
    if (now < patience->second.until) return deaf(now);
    if (!is_first) patience->second.wait = std::min(patience->second.wait * 2, kPatienceMax);
    patience->second.until = now + patience->second.wait;
    return found;
  }
  return std::nullopt;
}

}  // namespace tapedeck::pipeline
