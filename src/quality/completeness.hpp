// src/quality/completeness.hpp: what a tape's events say of how complete they are: of each series
// and trading day how much there is, when, in which order, with which delay; and which of the
// venue's ids are missing; and how the venue's format changed. Does not depend on anything but the
// events, in the order of the tape. Memory: a minute map (about 200 bytes) for each series and day,
// and 80 bytes for each run of ids. Thread: one at a time. Ownership: borrows the catalog.
#pragma once

#include <bitset>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "market/about.hpp"
#include "market/calendar.hpp"
#include "market/event.hpp"
#include "market/series.hpp"
#include "quality/connections.hpp"

namespace tapedeck::quality {

// One series on one trading day of its calendar, by the venue's clock.
struct DayQuality {
  market::SeriesKey series{};
  std::chrono::year_month_day date{};
  std::uint64_t trades = 0;
  std::uint64_t others = 0;   // price ticks, quotes, vendor bars
  Timestamp first{}, last{};  // ts_event
  // Of the regular session's minutes (US equities 390, a market that never closes 1440), those in
  // which something happened.
  std::uint64_t minutes = 0;
  std::uint64_t session_minutes = 0;
  // Events stamped before one that was on the tape already, and the largest such step back: what
  // `lateness` must not be less than, for none of them to be late.
  std::uint64_t reordered = 0;
  Duration disorder{};
  std::uint64_t late = 0;  // of these, those that stepped back by more than kLate
  // Events that came again, by add_duplicate(). Nothing where nobody told: a tape has none.
  std::optional<std::uint64_t> duplicates{};
  // ts_recv - ts_event, where there was a receive time: negative where the venue's clock is ahead.
  std::optional<Duration> delay_min{}, delay_max{};
  // Ids that the venue gave and the tape has not, counted on the day of the trade before them.
  // Nothing where the venue does not count its trades one by one.
  std::optional<std::uint64_t> missing{};
};

// Why ids are missing, as far as the connection tells.
enum class GapCause {
  kOurs,     // it was down for some of the time: we did not listen
  kVenue,    // it was there all the time: the venue did not send them, or never gave these ids
  kUnknown,  // nothing tells, as in a recording
};
std::string_view to_string(GapCause cause);  // "ours", "venue", "unknown"

// Ids that are not on the tape, between two trades that are.
struct IdGap {
  market::SeriesKey series{};
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // inclusive
  Timestamp after{};       // ts_event of the trade before, and of the next one
  Timestamp before{};
  GapCause cause = GapCause::kUnknown;
  std::uint64_t count() const { return last - first + 1; }
};

// A change of a venue's format, on a day (UTC) that has trades of it.
struct DriftSeen {
  market::SeriesKey series{};  // VENUE/schema/SYMBOL
  std::chrono::year_month_day date{};
  market::SchemaDrift drift{};
  Timestamp first{};  // ts_recv of the first such trade
};

// What is missing of a series.
struct Missing {
  std::uint64_t gaps = 0;
  std::uint64_t ids = 0;
  bool operator==(const Missing&) const = default;
};

class Completeness {
 public:
  // What bars wait for late events unless their lateness is another.
  static constexpr Duration kLate = seconds(10);

  explicit Completeness(const market::Catalog& catalog) : catalog_(catalog) {}

  // Batches of one partition in the order of their offsets; corrections, frames and records but
  // those of drift say nothing here. Errors: as find_calendar.
  Status add(const market::Batch& batch);
  // An event that was not put on the tape, because it is there already. Errors: as add.
  Status add_duplicate(SeriesId series, Timestamp ts_event);

  // By series key, then date. Gaps: by series key, then id.
  std::vector<DayQuality> days() const { return days(gaps()); }
  std::vector<IdGap> gaps() const;
  std::vector<Outage> outages() const { return connections_.outages(); }
  std::vector<DriftSeen> drift() const;  // by time
  // Of the gaps that touch [start, end): a trade of theirs may have been there. Nothing where the
  // venue does not count its trades one by one, or no trade of it is known.
  std::optional<Missing> missing(const market::SeriesKey& key, Timestamp start,
                                 Timestamp end) const;
  // The same for who has the gaps: as gaps() gave them, with nothing added since.
  std::vector<DayQuality> days(const std::vector<IdGap>& gaps) const;

 private:
  // When a trade happened by the venue's clock, and when the connection brought it by ours; nothing
  // where it was fetched later.
  struct Times {
    Timestamp event{};
    std::optional<Timestamp> came{};
  };
  // Ids without holes, and the times of the first and the last of them.
  struct Run {
    std::uint64_t last = 0;
    Times first_times{}, last_times{};
  };
  using Runs = std::map<std::uint64_t, Run>;  // by first id

  struct Day {
    DayQuality quality{};
    market::TradingDay times{};
    std::bitset<std::size_t{24} * 60> minutes{};  // of the regular session
  };
  struct SeriesDays {
    const market::Series* series = nullptr;
    const market::Calendar* calendar = nullptr;
    std::map<std::chrono::sys_days, Day> days{};
    Day* day = nullptr;  // of the last event
    std::optional<Timestamp> newest{};
    std::map<OriginId, Runs> ids{};  // of venues that count their trades
  };

  Result<SeriesDays*> series_of(SeriesId id);
  void add_drift(const market::Record& record);
  static Day& day_of(SeriesDays& series, Timestamp t);
  template <class Event>
  Status add_event(const Event& event);
  static void add_id(Runs& runs, std::uint64_t id, const Times& times);
  // Of one series, by origin and id.
  std::vector<IdGap> gaps_of(const SeriesDays& series) const;
  GapCause cause_of(const market::SeriesKey& key, const Times& after, const Times& before) const;

  const market::Catalog& catalog_;
  Connections connections_;
  std::unordered_map<std::uint32_t, SeriesDays> series_;
  std::map<market::SeriesKey, const SeriesDays*> by_key_;
  // When it was first seen, by series, day, field and whether it is missing.
  std::map<std::tuple<market::SeriesKey, std::chrono::sys_days, std::string, bool>, Timestamp>
      drift_;
};

}  // namespace tapedeck::quality
