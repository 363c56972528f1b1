// src/feeds/json_answer.hpp: what a venue's REST answers, a JSON array of trades. Only for .cpp
// files of this room.
#pragma once

#include <fmt/format.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "feeds/feed.hpp"
#include "feeds/flaw.hpp"
#include "feeds/json_reader.hpp"
#include "market/trade.hpp"

namespace tapedeck::feeds {

// `read` (object -> error code) takes the fields of one, `take` (-> expected<Trade, Flaw>) makes a
// trade of them. What is no trade is refused alone; what is no JSON ends it.
template <class Read, class Take>
void read_answer(JsonReader& json, std::string_view body, std::string_view where, EventSink& sink,
                 Read&& read, Take&& take) {
  const auto refuse = [&](std::string_view reason, std::string detail) {
    sink.refuse({reason, std::move(detail), std::string(where), body});
  };
  simdjson::ondemand::document document;
  simdjson::ondemand::array trades;
  simdjson::error_code code = json.iterate(body).get(document);
  if (code == simdjson::SUCCESS) code = document.get_array().get(trades);
  if (code != simdjson::SUCCESS) return refuse("malformed", "the answer is no list of trades");
  for (auto element : trades) {
    simdjson::ondemand::object object;
    code = std::move(element).get_object().get(object);
    if (code == simdjson::SUCCESS) code = read(object);
    if (code != simdjson::SUCCESS) {
      return refuse("malformed",
                    fmt::format("the answer breaks: {}", simdjson::error_message(code)));
    }
    std::expected<market::Trade, Flaw> trade = take();
    if (trade) {
      sink.trade(*trade);
    } else {
      refuse(trade.error().reason, std::move(trade.error().detail));
    }
  }
}

}  // namespace tapedeck::feeds
