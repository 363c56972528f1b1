#include "pipeline/symbol_lookup.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/log.hpp"
#include "base/sha256.hpp"
#include "market/about.hpp"

namespace tapedeck::pipeline {
namespace {

// What the venue does not say is left out.
std::string listing_of(std::string_view venue, const feeds::Listed& one, std::string_view zone) {
  std::string body =
      fmt::format(R"({{"venue":{},"symbol":{})", json_quote(venue), json_quote(one.symbol));
  for (const auto& [name, value] : {std::pair<std::string_view, std::string_view>{"name", one.name},
                                    {"type", one.type},
                                    {"currency", one.currency},
                                    {"status", one.status},
                                    {"zone", zone}}) {
    if (!value.empty()) body += fmt::format(R"(,"{}":{})", name, json_quote(value));
  }
  return body += '}';
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
    std::string body = listing_of(venue, one, directory.zone);
    const auto [seq, position] = sha256_numbers(body);
    found.records.push_back(
        {.series = catalog.intern(market::Series{
             .key = {std::string(venue), std::string(market::kInstrumentChannel), one.symbol}}),
         .ts_event = answer.ts_recv,
         .ts_recv = answer.ts_recv,
         .identity = {.origin = origin, .seq = seq, .position = position | 1},
         .body = std::move(body)});
  }
  return found;
}

}  // namespace tapedeck::pipeline
