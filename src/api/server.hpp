// src/api/server.hpp: the door of this room. Serves the dashboard and the HTTP API that
// openapi.yaml describes to who has a token; on this machine only, unless it is said otherwise.
// Threads: "net" and "net-slow"; they call History, Live and Play.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "net/tls_identity.hpp"
#include "pipeline/history.hpp"
#include "pipeline/ingest.hpp"
#include "pipeline/live.hpp"
#include "pipeline/play.hpp"

namespace tapedeck::api {

struct ApiOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8273;              // 0: any that is free
  bool port_is_fixed = false;             // else one of the next ones if it is taken
  Secret token;                           // of operators; empty: a new one is made
  Secret viewer_token{};                  // empty: there are no viewers
  Secret metrics_token{};                 // reads /metrics and nothing else; empty: there is none
  std::optional<net::TlsIdentity> tls{};  // with it, HTTPS and WSS
  // An address that other machines reach is refused without TLS, unless this is said; in a
  // container, all addresses at once need no word.
  bool insecure = false;
  bool is_container = false;
  std::vector<std::string> hosts{};            // besides its own: "market.example.org"
  std::vector<std::string> trusted_proxies{};  // addresses or networks
  std::string base_path{};                     // "/tapedeck", where a proxy serves it there
  bool access_log = false;
  std::string version{};                   // of the program
  pipeline::IngestDesk* ingest = nullptr;  // where rows are handed in; null: they are not taken
};

class ApiServer {
 public:
  virtual ~ApiServer() = default;  // stops; no call of History, Live or Play comes after
  virtual std::uint16_t port() const = 0;
  // What a person opens: "http://127.0.0.1:8273/?token=...", as an operator; with TLS, by a name
  // that the certificate has.
  virtual Secret url_with_token() const = 0;
};

// The command that makes a server on this machine's loopback reachable from where the person sits,
// if they came over SSH: "ssh -N -L 8273:127.0.0.1:8273 user@host". `ssh_connection`, `user`: of
// the environment (SSH_CONNECTION, USER); empty where the first is.
std::string tunnel_command(std::string_view ssh_connection, std::string_view user,
                           std::uint16_t port);

// Whether this address may be served so, to be known before anything is begun. Errors:
// kInvalidArgument (a public address without TLS and without `insecure`).
Status check_address(const ApiOptions& options);

// All references are borrowed for the server's life. Errors: kBusy (the port), kInvalidArgument
// (the address, a token, a proxy, the base path; and those of check_address).
Result<std::unique_ptr<ApiServer>> start_api(const ApiOptions& options,
                                             const pipeline::History& history, pipeline::Live& live,
                                             pipeline::Play& play, Metrics& metrics, Log& log);

}  // namespace tapedeck::api
