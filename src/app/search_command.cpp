#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include "app/commands.hpp"
#include "app/live_symbols.hpp"
#include "app/registry.hpp"
#include "base/percent.hpp"
#include "net/https_client.hpp"

namespace tapedeck::app {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// A field of CSV.
std::string field(const std::string& text) {
  std::string shown = printable(text);
  if (shown.find_first_of(",\"") == shown.npos) return shown;
  std::string out = "\"";
  for (const char c : shown) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

Status print_found(const SearchArguments& arguments) {
  const auto kinds = feed_kinds();
  const auto kind = std::ranges::find(kinds, arguments.venue, &feeds::FeedKind::venue);
  if (kind == kinds.end() || !kind->directory) {
    std::vector<std::string_view> names;
    for (const feeds::FeedKind& one : kinds) {
      if (one.directory) names.push_back(one.venue);
    }
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' cannot be asked for its symbols: those that can are {}",
                            arguments.venue, fmt::join(names, ", ")));
  }
  const feeds::Directory& directory = *kind->directory;
  const std::string base =
      arguments.rest_url.empty() ? std::string(directory.url) : arguments.rest_url;
  net::HttpsCall call{.url = Secret(base + directory.target(percent_encode(arguments.text)))};
  if (!directory.key_header.empty()) {
    TD_ASSIGN(Secret key, key_of_environment(arguments.venue));
    call.headers.emplace_back(directory.key_header, std::move(key));
  }
  const SystemClock clock;
  TD_ASSIGN(const auto client, net::HttpsClient::make("", clock));
  const auto answer = client->call(call, {});
  if (!answer) return fail(ErrorCode::kUnavailable, answer.error().message);
  if (answer->status != 200) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("{} answered {}: {}", arguments.venue, answer->status,
                            answer->status == 401 || answer->status == 403
                                ? "check the key, and what it is entitled to"
                                : "try again later"));
  }
  TD_ASSIGN(const auto all, directory.read(answer->body));
  const std::string wanted = lower(arguments.text);
  std::size_t found = 0;
  fmt::print("symbol,name,type,currency,status\n");
  for (const feeds::Listed& one : all) {
    if (!lower(one.symbol).contains(wanted) && !lower(one.name).contains(wanted)) continue;
    if (++found > arguments.limit) break;
    fmt::print("{},{},{},{},{}\n", field(arguments.venue + ":" + one.symbol), field(one.name),
               field(one.type), field(one.currency), field(one.status));
  }
  if (found == 0) {
    return fail(ErrorCode::kNotFound, fmt::format("{} has nothing with '{}' among {} instruments",
                                                  arguments.venue, arguments.text, all.size()));
  }
  return {};
}

}  // namespace

int search(const SearchArguments& arguments) {
  if (const Status done = print_found(arguments); !done) return report(done.error());
  return kExitOk;
}

}  // namespace tapedeck::app
