#include "api/json.hpp"

#include <fmt/format.h>

#include <iterator>

#include "base/log.hpp"

namespace tapedeck::api {
namespace {

template <class... Args>
void append(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

void append_price(std::string& out, std::string_view name,
                  const std::optional<market::Decimal>& price) {
  if (price) {
    append(out, "\"{}\":\"{}\",", name, market::to_string(*price));
  } else {
    append(out, "\"{}\":null,", name);
  }
}

// "bars":[...]
void append_bars(std::string& out, const std::vector<market::Bar>& bars) {
  constexpr std::size_t kBytesPerBar = 256;  // about
  out.reserve(out.size() + bars.size() * kBytesPerBar);
  out += "\"bars\":[";
  for (const market::Bar& bar : bars) {
    append(out, "{}{{\"ts_open\":\"{}\",", &bar == bars.data() ? "" : ",", bar.ts_open.ns);
    append_price(out, "open", bar.open);
    append_price(out, "high", bar.high);
    append_price(out, "low", bar.low);
    append_price(out, "close", bar.close);
    append(out,
           "\"volume\":\"{}\",\"trades\":{},\"excluded\":{},\"notional\":\"{}\",\"final\":{},"
           "\"revision\":{},\"offset\":\"{}\"}}",
           bar.volume.to_string(), bar.trades, bar.excluded, bar.notional.to_string(), bar.is_final,
           bar.revision, bar.offset.value);
  }
  out += ']';
}

// "series":...,"interval":...,"conditions":...,"session":...,
void append_spec(std::string& out, const market::SeriesKey& series, const market::BarSpec& spec) {
  append(out, "\"series\":{},\"interval\":\"{}\",\"conditions\":\"{}\",\"session\":\"{}\",",
         json_quote(to_string(series)), to_string(spec.interval), to_string(spec.conditions),
         to_string(spec.session));
}

void append_head(std::string& out, std::string_view type, const pipeline::BarPage& page) {
  append(out, "{{\"type\":\"{}\",\"run\":{},\"offset\":\"{}\",", type, page.run, page.offset.value);
}

}  // namespace

std::string error_json(std::string_view code, std::string_view message) {
  return fmt::format("{{\"error\":{{\"code\":{},\"message\":{}}}}}", json_quote(code),
                     json_quote(message));
}

std::string health_json(std::string_view status) {
  return fmt::format("{{\"status\":{}}}", json_quote(status));
}

std::string restart_json(std::uint64_t run) { return fmt::format("{{\"run\":{}}}", run); }

std::string status_json(const pipeline::PlayStatus& status, std::string_view version) {
  std::string out;
  append(out,
         "{{\"version\":{},\"mode\":{},\"play\":{{\"state\":\"{}\",\"label\":{},\"date\":{},"
         "\"title\":{},\"source\":{},\"licence\":{},",
         json_quote(version), json_quote(status.mode), to_string(status.state),
         json_quote(status.label), json_quote(status.date), json_quote(status.title),
         json_quote(status.source), json_quote(status.licence));
  append(out,
         "\"speed\":{},\"market_time\":\"{}\",\"start_time\":\"{}\",\"end_time\":\"{}\","
         "\"zone\":{},\"run\":{},\"error\":{}}},",
         status.speed, status.market_time.ns, status.start_time.ns, status.end_time.ns,
         json_quote(status.zone), status.run, status.error ? json_quote(*status.error) : "null");
  append(out,
         "\"tape\":{{\"durable_offset\":\"{}\",\"bytes\":\"{}\",\"state\":\"{}\",\"message\":{},"
         "\"free_bytes\":\"{}\",\"days_until_full\":{},\"segments\":\"{}\",\"unsealed\":\"{}\","
         "\"damaged\":[",
         status.durable_offset.value, status.tape.bytes, to_string(status.tape.state),
         json_quote(status.tape.message), status.tape.free_bytes,
         status.tape.days_until_full ? fmt::format("{:.1f}", *status.tape.days_until_full) : "null",
         status.tape.segments, status.tape.unsealed);
  for (const std::string& damage : status.tape.damaged) {
    append(out, "{}{}", &damage == status.tape.damaged.data() ? "" : ",", json_quote(damage));
  }
  out += "]},\"feeds\":[";
  for (const pipeline::FeedStatus& feed : status.feeds) {
    append(out,
           "{}{{\"id\":{},\"state\":{},\"events\":\"{}\",\"duplicates\":\"{}\","
           "\"refused\":\"{}\"}}",
           &feed == status.feeds.data() ? "" : ",", json_quote(feed.id), json_quote(feed.state),
           feed.events, feed.duplicates, feed.refused);
  }
  append(out, "],\"quarantine\":{{\"total\":\"{}\",\"reasons\":{{", status.quarantine_total);
  const char* separator = "";
  for (const auto& [reason, count] : status.quarantine_reasons) {
    append(out, "{}{}:\"{}\"", separator, json_quote(reason), count);
    separator = ",";
  }
  out += "}}}";
  return out;
}

std::string instruments_json(std::span<const InstrumentForm> instruments) {
  std::string out = "{\"instruments\":[";
  for (const InstrumentForm& form : instruments) {
    const market::SeriesKey& key = form.series.key;
    append(out,
           "{}{{\"series\":{},\"instrument\":{},\"venue\":{},\"channel\":{},\"calendar\":{},"
           "\"zone\":{}}}",
           &form == instruments.data() ? "" : ",", json_quote(to_string(key)),
           json_quote(key.instrument), json_quote(key.venue), json_quote(key.channel),
           json_quote(form.series.calendar), json_quote(form.zone));
  }
  out += "]}";
  return out;
}

std::string bars_json(const market::SeriesKey& series, const market::BarSpec& spec,
                      const pipeline::BarPage& page) {
  std::string out = "{";
  append_spec(out, series, spec);
  append(out, "\"offset\":\"{}\",", page.offset.value);
  append_bars(out, page.bars);
  out += '}';
  return out;
}

std::string snapshot_frame(const market::SeriesKey& series, const market::BarSpec& spec,
                           const pipeline::BarPage& page, std::string_view status) {
  std::string out;
  append_head(out, "snapshot", page);
  append_spec(out, series, spec);
  append_bars(out, page.bars);
  append(out, ",\"status\":{}}}", status);
  return out;
}

std::string resumed_frame(const pipeline::BarPage& page, std::string_view status) {
  std::string out;
  append_head(out, "resumed", page);
  append_bars(out, page.bars);
  append(out, ",\"status\":{}}}", status);
  return out;
}

std::string bars_frame(const pipeline::BarPage& page) {
  std::string out;
  append_head(out, "bars", page);
  append_bars(out, page.bars);
  out += '}';
  return out;
}

std::string status_frame(std::string_view status) {
  return fmt::format("{{\"type\":\"status\",\"status\":{}}}", status);
}

std::string restarted_frame(std::uint64_t run) {
  return fmt::format("{{\"type\":\"restarted\",\"run\":{}}}", run);
}

}  // namespace tapedeck::api
