// src/net/https_client.hpp: one HTTP call at a time (https:// or http://), for repairs and
// backfill. No vendor types. Thread: blocks the caller's; one caller at a time, so each thread has
// a client of its own. It keeps connections open between calls.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "net/failure.hpp"
#include "net/http_message.hpp"

namespace tapedeck::net {

struct HttpsCall {
  Secret url;  // its query string percent-encoded
  std::vector<std::pair<std::string, Secret>> headers{};
  std::optional<std::string> body{};        // with one it is a POST, else a GET
  Duration connect_deadline = seconds(10);  // DNS, TCP and TLS
  Duration deadline = seconds(30);          // of the whole call
  std::size_t body_bytes_max = 16 << 20;    // of the answer, inflated
};

struct HttpsAnswer {
  int status = 0;  // any, also 301 or 429: only who asked knows what it means
  Fields headers;
  std::string body;
  Timestamp ts_recv;  // when the last of its bytes was read

  // Value of the first header of that name, whatever its case; empty if there is none.
  std::string_view header(std::string_view name) const;
  std::optional<Duration> retry_after() const { return parse_retry_after(header("Retry-After")); }
};

class HttpsClient {
 public:
  // `ca_file`: as WebSocketClient's. `clock` outlives the client.
  static Result<std::unique_ptr<HttpsClient>> make(const std::string& ca_file, const Clock& clock);
  ~HttpsClient();

  // `stop` ends the call from another thread: kStopped. Redirects are not followed. A URL or header
  // that cannot be is kMalformed.
  std::expected<HttpsAnswer, Failure> call(const HttpsCall& request, const std::stop_token& stop);

 private:
  struct Handles;
  explicit HttpsClient(std::unique_ptr<Handles> handles);
  std::unique_ptr<Handles> handles_;
};

}  // namespace tapedeck::net
