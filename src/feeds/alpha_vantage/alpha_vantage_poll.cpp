#include "feeds/alpha_vantage/alpha_vantage_poll.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <deque>
#include <expected>
#include <optional>
#include <utility>

#include "base/percent.hpp"
#include "base/sha256.hpp"
#include "feeds/json_reader.hpp"
#include "feeds/series_table.hpp"
#include "feeds/trade_fields.hpp"
#include "market/bar.hpp"
#include "market/calendar.hpp"

namespace tapedeck::feeds::alpha_vantage {
namespace {

namespace od = simdjson::ondemand;

constexpr std::string_view kUrl = "https://www.alphavantage.co";
// One request a second is allowed.
constexpr Duration kPause = milliseconds(1200);
constexpr std::array<std::pair<Duration, std::string_view>, 5> kIntervals{{{minutes(1), "1min"},
                                                                           {minutes(5), "5min"},
                                                                           {minutes(15), "15min"},
                                                                           {minutes(30), "30min"},
                                                                           {minutes(60), "60min"}}};

std::unexpected<Flaw> bad(std::string_view reason, std::string detail) {
  return std::unexpected(Flaw{reason, std::move(detail)});
}

std::optional<int> digits(std::string_view text, std::size_t from, std::size_t count) {
  int number = 0;
  if (text.size() < from + count) return std::nullopt;
  const char* begin = text.data() + from;
  const auto [end, error] = std::from_chars(begin, begin + count, number);
  if (error != std::errc{} || end != begin + count || *begin == '-') return std::nullopt;
  return number;
}

struct LocalTime {
  std::chrono::year_month_day date;
  Duration since_midnight{};
};

// "2026-04-02 19:55:00" or "2026-04-02".
std::optional<LocalTime> parse_local(std::string_view text) {
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  if (!year || !month || !day || text[4] != '-' || text[7] != '-') return std::nullopt;
  LocalTime local{.date = {std::chrono::year(*year),
                           std::chrono::month(static_cast<unsigned>(*month)),
                           std::chrono::day(static_cast<unsigned>(*day))}};
  if (!local.date.ok()) return std::nullopt;
  if (text.size() == 10) return local;
  const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (text.size() != 19 || !hour || !minute || !second || *hour > 23 || *minute > 59 ||
      *second > 59 || text[10] != ' ' || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  local.since_midnight = hours(*hour) + minutes(*minute) + seconds(*second);
  return local;
}

bool is_month(std::string_view text) {
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2);
  return text.size() == 7 && text[4] == '-' && year && *year >= 2000 && month && *month >= 1 &&
         *month <= 12;
}

class Poll final : public PollFeed {
 public:
  Poll(Options options, market::Catalog& catalog)
      : options_(std::move(options)),
        is_daily_(options_.interval == market::kTradingDay),
        // The last received of two bars of one time counts, and its number is when it came.
        series_(catalog, {.key = {std::string(kVenue), "bar", {}},
                          .order = market::TradeOrder::kVenueSequence,
                          .calendar = "us_equity"}),
        origin_(catalog.intern(
            market::Origin{.kind = market::OriginKind::kSession, .key = std::string(kVenue)})) {
    for (const std::string& month : options_.months) {
      for (const std::string& symbol : options_.symbols) jobs_.push_back({symbol, month});
    }
    for (const std::string& symbol : options_.symbols) {
      jobs_.push_back({.symbol = symbol, .whole = is_daily_, .is_for_ever = true});
    }
  }

  std::string_view venue() const override { return kVenue; }

  Secret next() override {
    const Job& job = jobs_.front();
    std::string url = fmt::format("{}/query?function={}&symbol={}", base(),
                                  is_daily_ ? "TIME_SERIES_DAILY" : "TIME_SERIES_INTRADAY",
                                  percent_encode(job.symbol));
    if (!is_daily_) {
      url += fmt::format("&interval={}&adjusted={}&extended_hours=true", interval_name(),
                         options_.adjusted);
    }
    if (!job.month.empty()) url += "&month=" + job.month;
    url += job.whole || !job.month.empty() ? "&outputsize=full" : "&outputsize=compact";
    url += "&apikey=" + percent_encode(options_.key.reveal());
    return Secret(std::move(url));
  }

  PollVerdict on_answer(std::string_view body, Timestamp ts_recv, std::string_view where,
                        EventSink& sink) override {
    const Job& job = jobs_.front();
    Head head;
    if (auto read = read_head(body, head); !read) {
      sink.refuse({read.error().reason, read.error().detail, std::string(where), redacted(body)});
      return done();
    }
    if (!head.note.empty()) return on_note(head.note, where, sink);
    if (!head.error.empty()) return on_error(head.error, where, sink);
    if (!head.has_series) {
      sink.refuse({"unknown_message", fmt::format("there is no series of {} in it", job.symbol),
                   std::string(where), redacted(body)});
      return done();
    }
    read_series(body, head, ts_recv, where, sink);
    return done();
  }

  PollVerdict on_status(int status, std::string_view where, EventSink& sink) override {
    sink.refuse({"venue_error",
                 fmt::format("it answered {} when asked for {}", status, jobs_.front().symbol),
                 std::string(where),
                 {}});
    return done();
  }

 private:
  struct Job {
    std::string symbol;
    std::string month{};
    bool whole = false;  // of daily bars: the first time all that there are
    bool is_for_ever = false;
  };
  struct Head {
    std::string zone, note, error;
    bool has_series = false;
  };

  std::string_view base() const { return options_.url.empty() ? kUrl : options_.url; }

  std::string_view interval_name() const {
    const auto* found = std::ranges::find(kIntervals, options_.interval,
                                          &std::pair<Duration, std::string_view>::first);
    return found->second;
  }

  // Takes what was asked for off, or puts it behind the others.
  PollVerdict done() {
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    const bool was_for_ever = job.is_for_ever;
    if (was_for_ever) {
      job.whole = false;
      jobs_.push_back(std::move(job));
    }
    const auto jobs = static_cast<std::int64_t>(std::max<std::size_t>(jobs_.size(), 1));
    const bool has_history = !jobs_.empty() && !jobs_.front().is_for_ever;
    PollVerdict verdict;
    verdict.wait = has_history || !was_for_ever
                       ? kPause
                       : std::max(kPause, Duration{options_.every.ns / jobs});
    // One that asks for the first symbol next has asked for all.
    verdict.is_current =
        was_for_ever && jobs_.front().symbol == options_.symbols.front() && !jobs_.front().whole;
    return verdict;
  }

  std::string without_key(std::string text) const {
    const std::string& key = options_.key.reveal();
    if (key.empty()) return text;
    for (auto at = text.find(key); at != text.npos; at = text.find(key, at + 3)) {
      text.replace(at, key.size(), "***");
    }
    return text;
  }
  // Until the next call.
  std::string_view redacted(std::string_view body) {
    return shown_ = without_key(std::string(body));
  }

  // What it says instead of data.
  PollVerdict on_note(const std::string& note, std::string_view where, EventSink& sink) {
    const auto says = [&](std::string_view words) { return note.contains(words); };
    const auto again = [&](Duration wait, std::string why) {
      return PollVerdict{
          .outcome = PollVerdict::Outcome::kAgain, .wait = wait, .why = std::move(why)};
    };
    if (says("sparingly") || says("request per second")) {
      return again(seconds(2), "it wants a second between two requests");
    }
    if (says("per minute")) return again(minutes(1), "the requests of this minute are used up");
    if (says("per day")) {
      return again(hours(1), "the requests of this day are used up: " + without_key(note));
    }
    if (Job& job = jobs_.front(); says("premium") && job.whole) {
      job.whole = false;  // the newest are free
      return again(kPause, "all days of a symbol are for paid keys: the newest 100 are asked for");
    }
    if (says("premium")) {
      sink.refuse(
          {"venue_error",
           fmt::format("{} {} is for paid keys only", jobs_.front().symbol, jobs_.front().month),
           std::string(where), redacted(note)});
      return done();
    }
    return again(hours(1), without_key(note));
  }

  PollVerdict on_error(const std::string& error, std::string_view where, EventSink& sink) {
    if (error.contains("apikey")) {
      return {.outcome = PollVerdict::Outcome::kAgain,
              .wait = hours(1),
              .why = "it does not take the key (token of the feed): " + without_key(error)};
    }
    sink.refuse({"venue_error",
                 fmt::format("it does not know {}: check the symbol", jobs_.front().symbol),
                 std::string(where), redacted(error)});
    return done();
  }

  static std::unexpected<Flaw> malformed(simdjson::error_code code) {
    return bad("malformed",
               fmt::format("not an answer of this vendor: {}", simdjson::error_message(code)));
  }

  std::expected<void, Flaw> read_head(std::string_view body, Head& head) {
    od::document document;
    od::object object;
    if (const auto code = json_.iterate(body).get(document)) return malformed(code);
    if (const auto code = document.get_object().get(object)) return malformed(code);
    for (auto item : object) {
      od::field field;
      if (const auto code = std::move(item).get(field)) return malformed(code);
      const std::string_view key = key_of(field);
      if (key.starts_with("Time Series")) {
        head.has_series = true;
      } else if (key == "Note" || key == "Information") {
        head.note = text_of(field.value()).value_or("");
      } else if (key == "Error Message") {
        head.error = text_of(field.value()).value_or("");
      } else if (key == "Meta Data") {
        od::object meta;
        if (const auto code = field.value().get_object().get(meta)) return malformed(code);
        for (auto entry : meta) {
          od::field of_meta;
          if (const auto code = std::move(entry).get(of_meta)) return malformed(code);
          if (key_of(of_meta).ends_with("Time Zone")) {
            head.zone = text_of(of_meta.value()).value_or("");
          }
        }
      }
    }
    if (!is_whole(document)) return malformed(simdjson::TRAILING_CONTENT);
    if (head.zone == "US/Eastern") head.zone = "America/New_York";
    return {};
  }

  void read_series(std::string_view body, const Head& head, Timestamp ts_recv,
                   std::string_view where, EventSink& sink) {
    const auto refuse = [&](const Flaw& flaw, std::string_view what) {
      sink.refuse({flaw.reason, flaw.detail, fmt::format("{}: {}", where, what), what});
    };
    const auto series = series_.find_or_add(jobs_.front().symbol);
    if (!series) return refuse({"bad_symbol", series.error().message}, jobs_.front().symbol);
    // It was read once: all of it is JSON.
    od::document document;
    od::object object;
    if (json_.iterate(body).get(document) || document.get_object().get(object)) return;
    for (auto item : object) {
      od::field field;
      if (std::move(item).get(field)) return;
      if (!key_of(field).starts_with("Time Series")) continue;
      od::object rows;
      if (const auto code = field.value().get_object().get(rows)) {
        return refuse(malformed(code).error(), "series");
      }
      for (auto row : rows) {
        od::field bar;
        if (std::move(row).get(bar)) return;
        const std::string time(key_of(bar));
        auto taken = take(bar.value(), time, head.zone);
        if (!taken) {
          refuse(taken.error(), time);
          continue;
        }
        if (end_of(*taken) > ts_recv) {
          sink.control();  // it still changes
          continue;
        }
        taken->series = *series;
        taken->ts_recv = ts_recv;
        taken->venue_sequence = static_cast<std::uint64_t>(ts_recv.ns);
        sink.event(*taken);
      }
    }
  }

  std::expected<market::VendorBar, Flaw> take(od::value value, std::string_view time,
                                              const std::string& zone) {
    od::object object;
    if (const auto code = value.get_object().get(object)) return malformed(code);
    std::array<std::optional<std::string>, 5> texts;
    constexpr std::array<std::string_view, 5> kNames{"open", "high", "low", "close", "volume"};
    for (auto item : object) {
      od::field field;
      if (const auto code = std::move(item).get(field)) return malformed(code);
      std::string_view name = key_of(field);  // "1. open"
      name.remove_prefix(std::min(name.size(), name.find(' ') + 1));
      const auto* known = std::ranges::find(kNames, name);
      if (known == kNames.end()) continue;
      if (const auto text = text_of(field.value())) {
        texts.at(static_cast<std::size_t>(known - kNames.begin())) = std::string(*text);
      }
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (!texts[i]) return bad("missing_field", fmt::format("there is no '{}'", kNames[i]));
    }
    market::VendorBar bar{
        .adjusted = options_.adjusted ? market::Adjusted::kTotal : market::Adjusted::kRaw,
        .interval = options_.interval};
    TD_ASSIGN(bar.open, take_price(*texts[0]));
    TD_ASSIGN(bar.high, take_price(*texts[1]));
    TD_ASSIGN(bar.low, take_price(*texts[2]));
    TD_ASSIGN(bar.close, take_price(*texts[3]));
    TD_ASSIGN(bar.volume, take_size(*texts[4]));
    TD_ASSIGN(bar.ts_event, open_of(time, zone));
    const std::uint64_t position =
        sha256_numbers(fmt::format("{} {} {} {} {} {} {}", bar.interval.ns, options_.adjusted,
                                   *texts[0], *texts[1], *texts[2], *texts[3], *texts[4]))
            .first;
    bar.identity = {.origin = origin_,
                    .seq = static_cast<std::uint64_t>(bar.ts_event.ns),
                    .position = position == 0 ? 1 : position};
    return bar;
  }

  // Of a day, when its regular session opens.
  std::expected<Timestamp, Flaw> open_of(std::string_view text, const std::string& zone) const {
    auto local = parse_local(text);
    if (!local || (is_daily_ != (text.size() == 10))) {
      return bad("bad_time", fmt::format("'{}' is no time of a bar", text.substr(0, 64)));
    }
    if (is_daily_) local->since_midnight = hours(9) + minutes(30);
    const auto at = market::local_time(zone, local->date, local->since_midnight);
    if (!at) return bad("bad_time", at.error().message);
    if (!is_plausible(*at)) {
      return bad("bad_time", fmt::format("'{}' is not between 1990 and 2100", text));
    }
    return *at;
  }

  Timestamp end_of(const market::VendorBar& bar) const {
    if (!is_daily_) return bar.ts_event + bar.interval;
    return bar.ts_event + hours(10) + minutes(30);  // 20:00, when the last session ends
  }

  const Options options_;
  const bool is_daily_;
  SeriesTable series_;
  const OriginId origin_;
  JsonReader json_;
  std::deque<Job> jobs_;
  std::string shown_;
};

}  // namespace

std::optional<Duration> interval_of(std::string_view name) {
  const auto* found =
      std::ranges::find(kIntervals, name, &std::pair<Duration, std::string_view>::second);
  return found == kIntervals.end() ? std::nullopt : std::optional(found->first);
}

Result<std::unique_ptr<PollFeed>> make_poll(Options options, market::Catalog& catalog) {
  const auto wrong = [](std::string message) {
    return fail(ErrorCode::kInvalidArgument, std::move(message));
  };
  if (options.symbols.empty()) return wrong("name the symbols to ask for");
  if (options.key.empty()) {
    return wrong("this vendor wants a key: token = \"env:ALPHA_VANTAGE_KEY\"");
  }
  const bool is_daily = options.interval == market::kTradingDay;
  if (!is_daily &&
      std::ranges::find(kIntervals, options.interval,
                        &std::pair<Duration, std::string_view>::first) == kIntervals.end()) {
    return wrong("this vendor has bars of 1m, 5m, 15m, 30m, 1h and 1d");
  }
  if (is_daily && (!options.months.empty() || options.adjusted)) {
    return wrong("months and adjusted are of bars within a day");
  }
  for (const std::string& month : options.months) {
    if (!is_month(month)) {
      return wrong(fmt::format("'{}' is no month from 2000 on: write such as \"2024-01\"", month));
    }
  }
  return std::make_unique<Poll>(std::move(options), catalog);
}

}  // namespace tapedeck::feeds::alpha_vantage
