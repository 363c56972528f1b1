#include "pipeline/live_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "base/percent.hpp"
#include "market/about.hpp"
#include "market/conditions.hpp"
#include "pipeline/symbol_lookup.hpp"

namespace tapedeck::pipeline {

using market::FeedMark;
using market::FeedState;

LiveSource::LiveSource(std::unique_ptr<feeds::Feed> feed, const feeds::LiveProtocol& protocol,
                       LiveOptions options, std::unique_ptr<Net> net, market::Catalog& catalog,
                       const Clock& clock, Log& log)
    : feed_(std::move(feed)),
      protocol_(protocol),
      options_(std::move(options)),
      unseen_(options_.symbols),
      net_(std::move(net)),
      catalog_(catalog),
      clock_(clock),
      log_(log),
      backoff_({}, options_.seed),
      fetch_backoff_({}, options_.seed + 1) {
  const auto& repair = protocol_.repair;
  if (repair && (repair->newest_target != nullptr || protocol_.newest_of != nullptr)) {
    newest_.emplace(catalog_, repair->symbol_of);
  }
}

LiveSource::~LiveSource() = default;

Result<bool> LiveSource::pull(feeds::EventSink& sink, std::size_t) {
  sink_ = &sink;
  // What was traded before, nobody here listened to.
  if (sessions_ == 0) mark(FeedState::kDown, clock_.now());
  if (!link_ && clock_.elapsed() >= next_attempt_) {
    state_ = "connecting";
    link_ = connect();
  }
  take_symbols();
  look_up_symbols();
  fetch_missing();
  ask_for_newest();
  const Timestamp before = clock_.now();
  const bool was_busy = net_->poll();
  if (successor_) look_after(*successor_);
  if (link_) look_after(*link_);
  // Where frames wait, what is missed may be among them.
  if (newest_ && link_ && link_->opened && !was_busy) {
    if (const auto deaf = newest_->deaf(clock_.elapsed())) {
      on_close(*link_, fmt::format("the venue has trades of {} that did not come", *deaf), {});
    }
  }
  hand_over();
  const Duration now = clock_.elapsed();
  const bool is_open = link_ && link_->opened;
  if (is_open && now - last_mark_ >= kMarkEvery) {
    last_mark_ = now;
    // Frames that wait came after the last one that was taken.
    mark(FeedState::kLive, was_busy ? std::min(before, last_recv_) : before);
  }
  idle_for_.reset();
  if (!was_busy) {
    Duration next = kMarkEvery;
    if (is_open) next = last_mark_ + kMarkEvery - now;
    if (is_open && protocol_.silence_max) {
      next = std::min(next, link_->last_frame + *protocol_.silence_max - now);
    }
    if (!link_) next = next_attempt_ - now;
    if (listed_by_) next = std::min(next, *listed_by_ - now);
    if (!gaps_.empty() && !is_fetching_) next = std::min(next, next_fetch_ - now);
    if (gaps_.empty() && may_ask_for_newest()) {
      next = std::min(next, std::max(next_fetch_, newest_->next_due().value_or(now)) - now);
    }
    idle_for_ = std::max(next, milliseconds(1));
  }
  sink_ = nullptr;
  return true;
}

void LiveSource::look_after(Link& link) {
  if (!link.opened) return;
  const Duration now = clock_.elapsed();
  const auto is_dead = [&](Duration heard) {
    return protocol_.silence_max && now - heard >= *protocol_.silence_max;
  };
  const auto seconds_since = [&](Duration then) { return (now - then).ns / seconds(1).ns; };
  if (is_dead(link.last_frame)) {
    return on_close(
        link,
        fmt::format("nothing came for {} s, not even a heartbeat", seconds_since(link.last_frame)),
        {});
  }
  for (const auto& [symbol, beat] : link.beats) {
    if (!is_dead(beat)) continue;
    return on_close(link,
                    fmt::format("nothing came of {} for {} s, not even a heartbeat", symbol,
                                seconds_since(beat)),
                    {});
  }
  if (protocol_.subscribe_every && now - link.last_subscribed >= *protocol_.subscribe_every) {
    subscribe(link);
  }
}

void LiveSource::hand_over() {
  const Duration now = clock_.elapsed();
  if (successor_ && successor_->proven && now - *successor_->proven >= kBothFor) {
    log_.info("a feed goes on with a new connection, before the venue ends the old one",
              {{"feed", options_.feed}, {"session", successor_->session}});
    link_ = std::move(successor_);
    if (newest_) newest_->connected();
    return;
  }
  if (successor_ || !link_ || !link_->opened || now < next_successor_) return;
  const auto& age_max = protocol_.session_max;
  const bool is_old = age_max && now - *link_->opened >= *age_max - kSuccessorBefore;
  if (is_old || link_->is_ending) successor_ = connect();
}

Secret LiveSource::address() const {
  std::string url = options_.url.empty() ? std::string(protocol_.url) : options_.url.reveal();
  if (!protocol_.key_parameter.empty()) {
    fmt::format_to(std::back_inserter(url), "{}{}={}", url.contains('?') ? '&' : '?',
                   protocol_.key_parameter, percent_encode(options_.token.reveal()));
  }
  return Secret(std::move(url));
}

std::unique_ptr<LiveSource::Link> LiveSource::connect() {
  auto link = std::make_unique<Link>();
  link->session = ++sessions_;
  link->connection = net_->connect(
      address(),
      {.on_open = [this, at = link.get()] { on_open(*at); },
       .on_frame = [this, at = link.get()](std::string_view frame,
                                           Timestamp ts_recv) { on_frame(*at, frame, ts_recv); },
       .on_close =
           [this, at = link.get()](const Error& why, std::optional<Duration> stay_away) {
             on_close(*at, why.message, stay_away);
           }});
  return link;
}

void LiveSource::on_open(Link& link) {
  link.opened = link.last_frame = clock_.elapsed();
  if (&link == link_.get()) {
    last_recv_ = clock_.now();
    last_mark_ = clock_.elapsed();
    mark(FeedState::kLive, last_recv_);
    state_ = "live";
    if (newest_) newest_->connected();
  }
  log_.info("a feed is connected", {{"feed", options_.feed}, {"session", link.session}});
  const Timestamp now = clock_.now();
  const market::Origin session{.kind = market::OriginKind::kSession,
                               .key = fmt::format("{} {}", options_.feed, now.ns),
                               .first = now};
  if (options_.keep_raw) link.origin = catalog_.intern(session);
  feed_->begin_session(session);
  subscribe(link);
}

void LiveSource::subscribe(Link& link) {
  link.last_subscribed = clock_.elapsed();
  if (!symbols_.empty()) say(link, protocol_.subscribe(symbols_));
}

bool LiveSource::say(Link& link, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (const auto sent = link.connection->send(text); !sent) {
      on_close(link, "cannot subscribe: " + sent.error().message, {});
      return false;
    }
  }
  return true;
}

bool LiveSource::set_symbols(const std::vector<std::string>& symbols) {
  if (protocol_.unsubscribe == nullptr || symbols.size() > protocol_.symbols_max) return false;
  std::lock_guard lock(wanted_mutex_);
  wanted_ = symbols;
  return true;
}

void LiveSource::take_symbols() {
  std::vector<std::string> wanted;
  {
    std::lock_guard lock(wanted_mutex_);
    if (!wanted_) return;
    wanted = *std::exchange(wanted_, std::nullopt);
  }
  const auto is_in = [](const std::vector<std::string>& these, const std::string& symbol) {
    return std::ranges::find(these, symbol) != these.end();
  };
  std::vector<std::string> gone, added;
  for (const auto* these : {&symbols_, &unseen_}) {
    std::ranges::copy_if(*these, std::back_inserter(gone),
                         [&](const std::string& symbol) { return !is_in(wanted, symbol); });
  }
  std::ranges::copy_if(wanted, std::back_inserter(added),
                       [&](const std::string& symbol) { return !is_wanted(symbol); });
  const auto is_gone = [&](const std::string& symbol) { return is_in(gone, symbol); };
  std::erase_if(symbols_, is_gone);
  std::erase_if(unseen_, is_gone);
  unseen_.insert(unseen_.end(), added.begin(), added.end());
  log_.info("a feed goes on with other symbols", {{"feed", options_.feed},
                                                  {"added", std::uint64_t{added.size()}},
                                                  {"removed", std::uint64_t{gone.size()}}});
  if (newest_) std::ranges::for_each(gone, [&](const auto& one) { newest_->forget(one); });
  for (Link* link : {successor_.get(), link_.get()}) {
    if (link == nullptr || !link->opened || gone.empty()) continue;
    for (const std::string& symbol : gone) link->beats.erase(symbol);
    say(*link, protocol_.unsubscribe(gone));
  }
  if (!added.empty()) listed_by_.reset();  // these are looked up, too
}

bool LiveSource::is_wanted(const std::string& symbol) const {
  return std::ranges::find(symbols_, symbol) != symbols_.end() ||
         std::ranges::find(unseen_, symbol) != unseen_.end();
}

void LiveSource::look_up_symbols() {
  if (unseen_.empty()) {
    listed_by_.reset();
    return;
  }
  const Duration now = clock_.elapsed();
  if (!options_.directory || (listed_by_ && now >= *listed_by_)) return ask_for(unseen_);
  if (!listed_by_) {
    listed_by_ = now + kListWait;
    is_list_asked_ = false;
  }
  if (is_list_asked_ || is_fetching_) return;
  is_list_asked_ = true;
  fetch(options_.directory->url, options_.directory->target(""),
        [this](const Result<HttpAnswer>& answer) { on_list(answer); });
}

void LiveSource::fetch(std::string_view venue_url, const std::string& target,
                       std::function<void(const Result<HttpAnswer>&)> done) {
  const std::string& base = options_.rest_url.reveal();
  is_fetching_ = true;
  net_->fetch(Secret((base.empty() ? std::string(venue_url) : base) + target), std::move(done));
}

void LiveSource::on_list(const Result<HttpAnswer>& answer) {
  is_fetching_ = false;
  auto found = answer ? look_up(*options_.directory, feed_->venue(), unseen_, *answer, catalog_)
                      : std::unexpected(answer.error());
  if (!found) {
    log_.info("the venue's list cannot be had now: its symbols are asked for as they are",
              {{"feed", options_.feed}, {"why", found.error().message}});
    return ask_for(unseen_);
  }
  for (const std::string& symbol : found->unlisted) {
    log_.warning(
        "the venue does not list this symbol, which is left out: find it with 'tapedeck search'",
        {{"feed", options_.feed}, {"symbol", symbol}});
    sink_->refuse({"bad_symbol", fmt::format("'{}' is not in the venue's list", symbol),
                   options_.feed, symbol});
  }
  for (market::Record& record : found->records) sink_->event(std::move(record));
  ask_for(found->listed);
}

void LiveSource::ask_for(const std::vector<std::string>& symbols) {
  symbols_.insert(symbols_.end(), symbols.begin(), symbols.end());
  for (Link* link : {successor_.get(), link_.get()}) {
    if (link != nullptr && link->opened && !symbols.empty()) {
      say(*link, protocol_.subscribe(symbols));
    }
  }
  unseen_.clear();  // the last, for `symbols` may be these
}

namespace {

// Hands all on, and tells what the venue complains of and what nobody understands.
class Told final : public feeds::EventSink {
 public:
  // `newest`: is told of trades that came `now`; null: nobody wants it.
  Told(feeds::EventSink& sink, Log& log, const std::string& feed, int& told, int told_max,
       NewestTrades* newest, Duration now, const market::Catalog& catalog)
      : sink_(sink),
        log_(log),
        feed_(feed),
        told_(told),
        told_max_(told_max),
        newest_(newest),
        now_(now),
        catalog_(catalog) {}
  void trade(const market::Trade& trade) override {
    if (newest_ != nullptr) newest_->came(trade, now_);
    sink_.trade(trade);
  }
  void event(const feeds::OtherEvent& event) override {
    if (const auto* record = std::get_if<market::Record>(&event)) tell_drift(*record);
    sink_.event(event);
  }
  void mark(const FeedMark& mark) override { sink_.mark(mark); }
  void control() override { sink_.control(); }
  void refuse(const feeds::Refusal& refusal) override {
    if (newest_ != nullptr) newest_->refused(now_);
    if (told_ < told_max_) {
      const bool is_theirs = refusal.reason == "venue_error";
      log_.warning(is_theirs ? "the venue complains: check the symbols (tapedeck "
                               "search) and the key of this feed"
                             : "a frame is not understood: it is in the quarantine, and if there "
                               "are many, the venue has changed its format",
                   {{"feed", feed_},
                    {"reason", refusal.reason},
                    {"why", refusal.detail},
                    {"where", refusal.where},
                    {"last_to_be_told", ++told_ == told_max_}});
    }
    sink_.refuse(refusal);
  }

 private:
  void tell_drift(const market::Record& record) {
    const market::SeriesKey& key = catalog_.series(record.series).key;
    if (key.channel != market::kSchemaChannel || told_ >= told_max_) return;
    const auto drift = market::parse_schema_drift(record.body);
    if (!drift) return;
    log_.warning(
        "the venue has changed its format: 'tapedeck quality --drift' tells all that is known",
        {{"feed", feed_},
         {"symbol", key.instrument},
         {"field", drift->field},
         {"is", drift->is_missing ? "missing" : "unknown"},
         {"last_to_be_told", ++told_ == told_max_}});
  }

  feeds::EventSink& sink_;
  Log& log_;
  const std::string& feed_;
  int& told_;
  const int told_max_;
  NewestTrades* const newest_;
  const Duration now_;
  const market::Catalog& catalog_;
};

}  // namespace

void LiveSource::on_frame(Link& link, std::string_view frame, Timestamp ts_recv) {
  const Duration now = clock_.elapsed();
  link.last_frame = now;
  if (!link.proven) link.proven = now;
  last_recv_ = ts_recv;
  if (protocol_.beat_of != nullptr) {
    if (const auto symbol = protocol_.beat_of(frame)) on_beat(link, *symbol, frame);
  }
  if (protocol_.says_goodbye != nullptr && protocol_.says_goodbye(frame)) link.is_ending = true;
  where_.clear();
  fmt::format_to(std::back_inserter(where_), "{}: session {}, frame {}", options_.feed,
                 link.session, ++link.frames);
  if (options_.keep_raw) {
    sink_->frame({.ts_recv = ts_recv,
                  .identity = {.origin = link.origin, .seq = link.frames},
                  .body = std::string(frame)});
  }
  Told told(*sink_, log_, options_.feed, link.refusals_told, kRefusalsTold,
            newest_ ? &*newest_ : nullptr, now, catalog_);
  feed_->on_frame(frame, ts_recv, where_, told);
}

void LiveSource::on_beat(Link& link, std::string_view symbol, std::string_view frame) {
  const auto known = link.beats.find(symbol);
  if (known != link.beats.end()) {
    known->second = clock_.elapsed();
  } else if (std::ranges::find(symbols_, symbol) != symbols_.end()) {
    link.beats.emplace(symbol, clock_.elapsed());
  } else {
    return;
  }
  if (!newest_ || protocol_.newest_of == nullptr) return;
  const auto newest = protocol_.newest_of(frame);
  if (newest) add_missed(std::string(symbol), newest_->told(symbol, *newest));
}

// What is known to be missing comes first, and the venue's list.
bool LiveSource::may_ask_for_newest() const {
  return newest_ && protocol_.repair->newest_target != nullptr && !is_fetching_ && gaps_.empty() &&
         unseen_.empty() && link_ && link_->proven;
}

void LiveSource::ask_for_newest() {
  const Duration now = clock_.elapsed();
  if (!may_ask_for_newest() || now < next_fetch_) return;
  const auto symbol = newest_->next(symbols_, now);
  if (!symbol) return;
  fetch(protocol_.repair->url, protocol_.repair->newest_target(*symbol),
        [this, symbol = *symbol, session = link_->session](const Result<HttpAnswer>& answer) {
          on_newest(symbol, session, answer);
        });
}

void LiveSource::on_newest(const std::string& symbol, std::uint64_t session,
                           const Result<HttpAnswer>& answer) {
  is_fetching_ = false;
  if (!was_answered(answer)) return;
  // Of another connection than it was asked beside, or of nobody's: it says nothing.
  if (!link_ || link_->session != session || !is_wanted(symbol)) return;
  fetch_backoff_ = Backoff({}, options_.seed + 1);
  const auto newest =
      answer->status == 200 ? protocol_.repair->newest_in(symbol, answer->body) : std::nullopt;
  add_missed(symbol, newest_->answered(symbol, newest, clock_.elapsed()));
}

bool LiveSource::is_on_tape(const std::string& symbol) const {
  const auto symbol_of = protocol_.repair->symbol_of;
  const auto count = static_cast<std::uint32_t>(catalog_.series_count());
  for (std::uint32_t id = 0; id < count; ++id) {
    const market::SeriesKey& key = catalog_.series(SeriesId(id)).key;
    if (key.venue != feed_->venue() || is_about(key)) continue;
    if ((symbol_of != nullptr ? symbol_of(key) : key.instrument) == symbol) return true;
  }
  return false;
}

void LiveSource::add_missed(const std::string& symbol,
                            const std::optional<NewestTrades::Missed>& missed) {
  if (!missed) return;
  // Of a symbol that never was on the tape, what was traded before is nothing that is missed.
  if (!missed->series && !is_on_tape(symbol)) return;
  if (missed->series) asked_[*missed->series].insert(missed->first, missed->last);
  add_gap(symbol, missed->first, missed->last, clock_.now());
}

void LiveSource::on_close(Link& link, const std::string& why, std::optional<Duration> stay_away) {
  const Duration now = clock_.elapsed();
  Duration wait = backoff_.next_wait(link.opened ? now - *link.opened : Duration{});
  if (stay_away) wait = std::max(wait, *stay_away);
  if (&link == successor_.get()) {
    log_.warning(
        "the next connection of a feed is not there yet",
        {{"feed", options_.feed}, {"why", why}, {"again_in_ms", wait.ns / milliseconds(1).ns}});
    next_successor_ = now + wait;
    successor_.reset();
    return;
  }
  if (successor_ && successor_->proven) {
    log_.info("a feed goes on with a new connection, for the old one ended",
              {{"feed", options_.feed}, {"why", why}, {"session", successor_->session}});
    link_ = std::move(successor_);
    if (newest_) newest_->connected();
    return;
  }
  if (link.opened) mark(FeedState::kDown, clock_.now());
  log_.warning(
      "a feed is down",
      {{"feed", options_.feed}, {"why", why}, {"again_in_ms", wait.ns / milliseconds(1).ns}});
  state_ = "down";
  link_.reset();
  successor_.reset();
  next_attempt_ = now + wait;
}

void LiveSource::missing(SeriesId series, OriginId origin, std::uint64_t first, std::uint64_t last,
                         std::optional<Timestamp> before) {
  const market::Series& of = catalog_.series(series);
  if (!market::is_count_of_venue(of, catalog_.origin(origin))) return;
  if (of.key.venue != feed_->venue()) return;
  const auto symbol_of = protocol_.repair->symbol_of;
  const std::string symbol = symbol_of != nullptr ? symbol_of(of.key) : of.key.instrument;
  if (!is_wanted(symbol)) return;
  if (asked_[series].contains(last) || gaps_.size() >= kGapsMax) return;
  asked_[series].insert(first, last);
  add_gap(symbol, first, last, before.value_or(clock_.now()));
}

void LiveSource::add_gap(const std::string& symbol, std::uint64_t first, std::uint64_t last,
                         Timestamp before) {
  if (gaps_.size() >= kGapsMax) return;
  if (last - first >= kRepairMax) {
    log_.warning("a gap is too long to be fetched whole: its older trades stay missing",
                 {{"feed", options_.feed},
                  {"symbol", symbol},
                  {"trades", last - first + 1},
                  {"fetched", kRepairMax}});
    first = last - kRepairMax + 1;
  }
  if (gaps_.empty()) next_fetch_ = std::max(next_fetch_, clock_.elapsed() + kRepairAfter);
  Gap gap{.symbol = symbol, .first = first, .last = last};
  gap.too_late = before;
  gap.since = gap.too_late - gap.step;
  gap.behind = gap.too_late;
  gaps_.push_back(std::move(gap));
}

void LiveSource::fetch_missing() {
  if (gaps_.empty() || is_fetching_ || clock_.elapsed() < next_fetch_) return;
  const Gap& gap = gaps_.front();
  const feeds::RepairProtocol& repair = *protocol_.repair;
  const std::string target = repair.target != nullptr
                                 ? repair.target(gap.symbol, gap.first, gap.last)
                                 : repair.target_since(gap.symbol, gap.since);
  fetch(repair.url, target, [this](const Result<HttpAnswer>& answer) { on_answer(answer); });
}

namespace {

// Marks trades as fetched, and tells of each.
template <class Note>
class Repaired final : public feeds::EventSink {
 public:
  Repaired(feeds::EventSink& sink, const Note& note) : sink_(sink), note_(note) {}
  void trade(const market::Trade& trade) override {
    market::Trade repaired = trade;
    repaired.conditions |= market::kRepaired;
    if (note_(trade)) sink_.trade(repaired);
  }
  void event(const feeds::OtherEvent& event) override { sink_.event(event); }
  void mark(const FeedMark& mark) override { sink_.mark(mark); }
  void control() override { sink_.control(); }
  void refuse(const feeds::Refusal& refusal) override {
    ++refusals_;
    sink_.refuse(refusal);
  }
  std::size_t refusals() const { return refusals_; }

 private:
  std::size_t refusals_ = 0;
  feeds::EventSink& sink_;
  const Note& note_;
};

bool is_worth_another_try(int status) { return status == 429 || status == 418 || status >= 500; }

}  // namespace

bool LiveSource::was_answered(const Result<HttpAnswer>& answer) {
  next_fetch_ = clock_.elapsed() + protocol_.repair->pause;
  if (answer && !is_worth_another_try(answer->status)) return true;
  fetch_later(
      answer ? fmt::format("the venue answered {}", answer->status) : answer.error().message,
      answer && answer->stay_away ? *answer->stay_away : Duration());
  return false;
}

void LiveSource::on_answer(const Result<HttpAnswer>& answer) {
  is_fetching_ = false;
  if (!was_answered(answer)) return;
  if (answer->status != 200) {
    fetch_backoff_ = Backoff({}, options_.seed + 1);
    return give_up(fmt::format("it answered {}", answer->status));
  }
  Gap& gap = gaps_.front();
  Came came;
  const bool is_by_time = protocol_.repair->target == nullptr;
  const auto note = [&](const market::Trade& trade) {
    const std::uint64_t id = trade.identity.seq;
    came.ids.insert(id);
    if (came.is_empty || id < came.first) {
      came.first = id;
      came.first_time = trade.ts_event;
    }
    if (came.is_empty || id > came.last) {
      came.last = id;
      came.last_time = trade.ts_event;
    }
    came.is_empty = false;
    // Asked by time it sends what nobody asked for, too.
    return !is_by_time || (id >= gap.first && id <= gap.last);
  };
  Repaired sink(*sink_, note);
  feed_->on_answer(
      gap.symbol, answer->body, answer->ts_recv,
      fmt::format("{}: trades of {} fetched from {} on", options_.feed, gap.symbol, gap.first),
      sink);
  if (came.is_empty && sink.refusals() > 0 && ++gap.strange_answers < kStrangeAnswersMax) {
    return fetch_later("the venue answered something else than trades: see the quarantine", {});
  }
  gap.strange_answers = 0;
  fetch_backoff_ = Backoff({}, options_.seed + 1);
  // From either end, as venues answer; what is between is asked for again.
  const std::uint64_t first = gap.first;
  const std::uint64_t last = gap.last;
  while (gap.first <= last && came.ids.contains(gap.first)) ++gap.first;
  while (gap.last >= gap.first && came.ids.contains(gap.last)) --gap.last;
  if (gap.first > gap.last) {
    log_.info("missed trades were fetched",
              {{"feed", options_.feed}, {"symbol", gap.symbol}, {"up_to", last}});
    gaps_.pop_front();
  } else if (is_by_time ? !look_elsewhere(gap, came) : gap.first == first && gap.last == last) {
    give_up("it does not have them");
  }
}

void LiveSource::fetch_later(const std::string& why, Duration at_least) {
  const Duration wait = std::max(fetch_backoff_.next_wait({}), at_least);
  next_fetch_ = clock_.elapsed() + wait;
  const bool is_missed = !gaps_.empty();
  (log_.*(is_missed ? &Log::warning : &Log::info))(
      is_missed ? "missed trades cannot be fetched now"
                : "the venue cannot be asked now what it traded last",
      {{"feed", options_.feed}, {"why", why}, {"again_in_ms", wait.ns / milliseconds(1).ns}});
}

bool LiveSource::look_elsewhere(Gap& gap, const Came& came) {
  if (++gap.looks >= kLooksMax) return false;
  const Timestamp asked = gap.since;
  if (gap.back.ns > 0) {
    gap.back = gap.back * 2;
    gap.since = gap.behind - gap.back;
    return gap.back <= kClockStepMax;
  }
  if (came.is_empty || came.first > gap.first) {
    gap.too_late = std::min(gap.too_late, asked);
  } else if (came.last < gap.first) {
    gap.too_early = std::max(gap.too_early.value_or(came.last_time), came.last_time);
  } else {
    // It begins before the gap, and does not have it: it ends too soon, or the venue's clock was
    // set back in between, and with it the order of time.
    gap.since = came.last_time - nanoseconds(1);
    if (came.last < gap.last && gap.since > asked) return true;
    gap.back = milliseconds(500);
    gap.since = gap.behind - gap.back;
    return true;
  }
  if (!gap.too_early) {
    gap.since = gap.since - gap.step;  // each time further back, so that any time is reached soon
    gap.step = gap.step * 4;
    return gap.step < hours(24) * 365;
  }
  gap.since = *gap.too_early + nanoseconds((gap.too_late - *gap.too_early).ns / 2);
  // In the end between two trades.
  if (gap.too_late - *gap.too_early < milliseconds(1)) gap.since = *gap.too_early - nanoseconds(1);
  return gap.since != asked;
}

void LiveSource::give_up(const std::string& why) {
  const Gap& gap = gaps_.front();
  log_.warning("missed trades stay missing", {{"feed", options_.feed},
                                              {"symbol", gap.symbol},
                                              {"first_id", gap.first},
                                              {"last_id", gap.last},
                                              {"why", why}});
  gaps_.pop_front();
}

void LiveSource::mark(FeedState state, Timestamp received_before) {
  sink_->mark(FeedMark{.feed = options_.feed, .state = state, .ts_recv = received_before});
}

}  // namespace tapedeck::pipeline
