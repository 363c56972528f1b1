#include "net/https_client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <openssl/x509_vfy.h>

#include <algorithm>

#include "base/check.hpp"
#include "net/endpoint.hpp"

namespace tapedeck::net {
namespace {

constexpr std::size_t kHeadBytesMax = 64 << 10;

// Once in a process, before the first handle.
void begin_curl() {
  static const CURLcode begun = curl_global_init(CURL_GLOBAL_DEFAULT);
  TD_CHECK(begun == CURLE_OK);
}

struct Receiver {
  const Clock* clock = nullptr;
  std::size_t body_bytes_max = 0;
  std::size_t head_bytes = 0;
  bool is_over_limit = false;
  HttpsAnswer answer{};
};

// Both return what they took; less ends the call.
std::size_t on_header(char* data, std::size_t, std::size_t bytes, void* user) {
  Receiver& receiver = *static_cast<Receiver*>(user);
  receiver.answer.ts_recv = receiver.clock->now();
  receiver.head_bytes += bytes;
  if (receiver.head_bytes > kHeadBytesMax) {
    receiver.is_over_limit = true;
    return 0;
  }
  const std::string_view line(data, bytes);
  if (line.starts_with("HTTP/")) receiver.answer.headers.clear();  // a 100 Continue came before it
  const std::size_t colon = line.find(':');
  if (colon == line.npos) return bytes;
  std::string_view value = line.substr(colon + 1);
  const std::size_t begin = std::min(value.find_first_not_of(" \t"), value.size());
  value = value.substr(begin, value.find_last_not_of(" \t\r\n") + 1 - begin);
  receiver.answer.headers.emplace_back(line.substr(0, colon), value);
  return bytes;
}

std::size_t on_body(char* data, std::size_t, std::size_t bytes, void* user) {
  Receiver& receiver = *static_cast<Receiver*>(user);
  receiver.answer.ts_recv = receiver.clock->now();
  if (bytes > receiver.body_bytes_max - receiver.answer.body.size()) {
    receiver.is_over_limit = true;
    return 0;
  }
  receiver.answer.body.append(data, bytes);
  return bytes;
}

long milliseconds_of(Duration d) { return std::max<long>(d.ns / 1'000'000, 1); }

}  // namespace

std::string_view HttpsAnswer::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

struct HttpsClient::Handles {
  Handles(std::string ca_file_in, const Clock& clock_in)
      : ca_file(std::move(ca_file_in)), clock(clock_in) {}

  const std::string ca_file;
  const Clock& clock;
  // The connections belong to `multi`, which lets another thread end the wait.
  const std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> multi{curl_multi_init(),
                                                                    &curl_multi_cleanup};
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy{curl_easy_init(),
                                                                 &curl_easy_cleanup};
};

Result<std::unique_ptr<HttpsClient>> HttpsClient::make(const std::string& ca_file,
                                                       const Clock& clock) {
  TD_TRY(check_ca_file(ca_file));
  begin_curl();
  auto handles = std::make_unique<Handles>(ca_file, clock);
  TD_CHECK(handles->multi != nullptr && handles->easy != nullptr);
  return std::unique_ptr<HttpsClient>(new HttpsClient(std::move(handles)));
}

HttpsClient::HttpsClient(std::unique_ptr<Handles> handles) : handles_(std::move(handles)) {}
HttpsClient::~HttpsClient() = default;

std::expected<HttpsAnswer, Failure> HttpsClient::call(const HttpsCall& request,
                                                      const std::stop_token& stop) {
  const Result<Endpoint> endpoint = parse_endpoint(request.url, "http");
  if (!endpoint) {
    return std::unexpected(Failure{FailureKind::kMalformed, 0, {}, endpoint.error().message});
  }
  const auto fail_as = [&](FailureKind kind, std::string_view detail) {
    return std::unexpected(failure(kind, endpoint->origin, detail));
  };

  CURL* const easy = handles_->easy.get();
  curl_easy_reset(easy);  // keeps the connections
  curl_slist* lines = nullptr;
  const auto add_line = [&](const std::string& line) {
    lines = curl_slist_append(lines, line.c_str());
    TD_CHECK(lines != nullptr);
  };
  for (const auto& [name, value] : request.headers) {
    if (!is_header(name, value.reveal())) {
      curl_slist_free_all(lines);
      return fail_as(FailureKind::kMalformed, "a header of ours: look for line breaks in keys");
    }
    // "Name;" is how an empty value is asked for.
    add_line(value.empty() ? name + ";" : fmt::format("{}: {}", name, value.reveal()));
  }
  add_line("Expect:");  // no waiting for a 100 Continue
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> header_lines(
      lines, &curl_slist_free_all);

  Receiver receiver{.clock = &handles_->clock, .body_bytes_max = request.body_bytes_max};
  char detail[CURL_ERROR_SIZE] = "";
  bool is_set = true;
  const auto set = [&](CURLoption option, auto value) {
    is_set = is_set && curl_easy_setopt(easy, option, value) == CURLE_OK;
  };
  set(CURLOPT_URL, request.url.reveal().c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_PROXY, "");  // none, whatever the environment says: as the WebSockets
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // a look-up of a name that hangs does not hold the caller
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!handles_->ca_file.empty()) {
    set(CURLOPT_CAINFO, handles_->ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds_of(request.connect_deadline));
  set(CURLOPT_TIMEOUT_MS, milliseconds_of(request.deadline));
  set(CURLOPT_USERAGENT, "tapedeck");
  set(CURLOPT_ACCEPT_ENCODING, "gzip");
  set(CURLOPT_HTTPHEADER, header_lines.get());
  if (request.body) {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDS, request.body->data());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body->size()));
  }
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, &receiver);
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, &receiver);
  set(CURLOPT_ERRORBUFFER, detail);
  TD_CHECK(is_set);

  CURLM* const multi = handles_->multi.get();
  TD_CHECK(curl_multi_add_handle(multi, easy) == CURLM_OK);
  CURLcode result = CURLE_ABORTED_BY_CALLBACK;
  {
    const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
    int running = 1;
    while (!stop.stop_requested()) {
      TD_CHECK(curl_multi_perform(multi, &running) == CURLM_OK);
      if (running == 0) break;
      TD_CHECK(curl_multi_poll(multi, nullptr, 0, 1000, nullptr) == CURLM_OK);
    }
    int waiting = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &waiting)) {
      if (message->msg == CURLMSG_DONE) result = message->data.result;
    }
  }
  long status = 0;
  long verified = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verified);
  curl_multi_remove_handle(multi, easy);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, static_cast<char*>(nullptr));

  // Not `detail` where it may hold parts of the URL or what the other side sent.
  switch (result) {
    case CURLE_OK:
      receiver.answer.status = static_cast<int>(status);
      return std::move(receiver.answer);
    case CURLE_ABORTED_BY_CALLBACK:
      return fail_as(FailureKind::kStopped, "");
    case CURLE_COULDNT_RESOLVE_HOST:
      return fail_as(FailureKind::kDns, "");
    case CURLE_COULDNT_CONNECT:
      return fail_as(FailureKind::kRefused, "");
    case CURLE_OPERATION_TIMEDOUT:
      return fail_as(FailureKind::kTimeout,
                     fmt::format("{} to connect, {} for all of it",
                                 to_string(request.connect_deadline), to_string(request.deadline)));
    case CURLE_PEER_FAILED_VERIFICATION:
      // libcurl compares the host itself, after OpenSSL found nothing wrong.
      if (verified == X509_V_OK || verified == X509_V_ERR_UNSPECIFIED) {
        return fail_as(FailureKind::kTlsHost, "");
      }
      return std::unexpected(certificate_failure(endpoint->origin, verified));
    case CURLE_SSL_CONNECT_ERROR:
      return fail_as(FailureKind::kTls, detail);
    case CURLE_WRITE_ERROR:
      if (receiver.is_over_limit) {
        return fail_as(FailureKind::kTooLarge,
                       fmt::format("over {} bytes", receiver.head_bytes > kHeadBytesMax
                                                        ? kHeadBytesMax
                                                        : request.body_bytes_max));
      }
      return fail_as(FailureKind::kMalformed, curl_easy_strerror(result));
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_URL_MALFORMAT:
      return fail_as(FailureKind::kMalformed, curl_easy_strerror(result));
    default:
      return fail_as(FailureKind::kReset, curl_easy_strerror(result));
  }
}

}  // namespace tapedeck::net
