#include "pipeline/symbol_lookup.hpp"

#include <fmt/format.h>

#include <charconv>
#include <map>

#include "base/log.hpp"
#include "base/sha256.hpp"

namespace tapedeck::pipeline {
namespace {

std::string json_or_null(std::string_view text) { return text.empty() ? "null" : json_quote(text); }

std::uint64_t number_of(std::string_view hex) {
  std::uint64_t number = 0;
  std::from_chars(hex.data(), hex.data() + hex.size(), number, 16);
  return number;
}

}  // namespace

Result<LookedUp> look_up(const feeds::Directory& directory, std::string_view venue,
                         std::span<const std::string> symbols, const HttpAnswer& answer,
                         market::Catalog& catalog) {
  if (answer.status != 200) {
    return fail(ErrorCode::kUnavailable, fmt::format("it answered {}", answer.status));
  }
  const auto all = directory.read(answer.body);
  if (!all) return fail(ErrorCode::kUnavailable, all.error().message);
  if (all->empty()) return fail(ErrorCode::kUnavailable, "its list is empty");
  std::map<std::string_view, const feeds::Listed*> by_symbol;
  for (const feeds::Listed& one : *all) by_symbol.emplace(one.symbol, &one);
  const OriginId origin = catalog.intern(market::Origin{});
  LookedUp found;
  for (const std::string& symbol : symbols) {
    const std::string_view name =
        directory.listed_as != nullptr ? directory.listed_as(symbol) : symbol;
    const auto known = by_symbol.find(name);
    if (known == by_symbol.end()) {
      found.unlisted.push_back(symbol);
      continue;
    }
    found.listed.push_back(symbol);
    const feeds::Listed& one = *known->second;
    std::string body = fmt::format(
        R"({{"venue":{},"symbol":{},"name":{},"type":{},"currency":{},"status":{},"zone":{}}})",
        json_quote(venue), json_quote(one.symbol), json_or_null(one.name), json_or_null(one.type),
        json_or_null(one.currency), json_or_null(one.status), json_or_null(directory.zone));
    const std::string hash = sha256_hex(body);
    constexpr std::size_t kDigits = 16;
    found.records.push_back(
        {.series = catalog.intern(market::Series{
             .key = {std::string(venue), std::string(kInstrumentChannel), one.symbol}}),
         .ts_event = answer.ts_recv,
         .ts_recv = answer.ts_recv,
         .identity = {.origin = origin,
                      .seq = number_of(std::string_view(hash).substr(0, kDigits)),
                      .position = number_of(std::string_view(hash).substr(kDigits, kDigits)) | 1},
         .body = std::move(body)});
  }
  return found;
}

}  // namespace tapedeck::pipeline
