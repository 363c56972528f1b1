// src/net/tls_identity.hpp: who a TLS server says it is: its certificate, those that lead to an
// authority, and its key, read from PEM files.
// Ownership: a value; copies share what was read. Thread: any.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

struct ssl_ctx_st;

namespace tapedeck::net {

class TlsIdentity {
 public:
  // The first certificate of its file is the server's own. Errors name the file and say what to
  // do: kNotFound, kPermission, kMalformed, kUnsupported (a key with a passphrase),
  // kInvalidArgument (not valid at `now`, the key of another certificate).
  static Result<TlsIdentity> read(const std::string& certificate_file, const std::string& key_file,
                                  Timestamp now);

  // Whom it names: "deck.example.org", "192.168.1.7", "::1"; those with a '*' are left out.
  const std::vector<std::string>& names() const { return names_; }
  Timestamp valid_until() const { return valid_until_; }
  // TLS 1.2 and newer, as OpenSSL has it.
  ssl_ctx_st* context() const { return context_.get(); }

 private:
  std::shared_ptr<ssl_ctx_st> context_;
  std::vector<std::string> names_;
  Timestamp valid_until_;
};

}  // namespace tapedeck::net
