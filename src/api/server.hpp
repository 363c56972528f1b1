// src/api/server.hpp: the door of this room. Serves the dashboard and the HTTP API that
// openapi.yaml describes, on this machine only, to who has the token.
// Thread: one, named "net"; it calls History, Live and Play.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "pipeline/history.hpp"
#include "pipeline/live.hpp"
#include "pipeline/play.hpp"

namespace tapedeck::api {

struct ApiOptions {
  std::string address = "127.0.0.1";  // a loopback address
  std::uint16_t port = 8273;          // 0: any that is free
  bool port_is_fixed = false;         // else one of the next ones if it is taken
  Secret token;                       // empty: a new one is made
  std::string version;                // of the program
};

class ApiServer {
 public:
  virtual ~ApiServer() = default;  // stops; no call of History, Live or Play comes after
  virtual std::uint16_t port() const = 0;
  // What a person opens: "http://127.0.0.1:8273/?token=...".
  virtual Secret url_with_token() const = 0;
};

// All references are borrowed for the server's life. Errors: kBusy (the port), kInvalidArgument
// (the address or the token).
Result<std::unique_ptr<ApiServer>> start_api(const ApiOptions& options,
                                             const pipeline::History& history, pipeline::Live& live,
                                             pipeline::Play& play, Metrics& metrics, Log& log);

}  // namespace tapedeck::api
