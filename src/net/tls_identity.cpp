#include "net/tls_identity.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "base/check.hpp"

namespace tapedeck::net {
namespace {

using File = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// What OpenSSL says of the last thing that failed.
std::string why() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

Result<File> open(const std::string& path, std::string_view what) {
  std::error_code found;
  if (std::filesystem::exists(path, found) && !std::filesystem::is_regular_file(path, found)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the {} '{}' is not a regular file", what, path));
  }
  errno = 0;
  File file(BIO_new_file(path.c_str(), "r"), &BIO_free_all);
  if (file != nullptr) return file;
  const ErrorCode code = errno == EACCES ? ErrorCode::kPermission : ErrorCode::kNotFound;
  const std::string reason = std::generic_category().message(errno);
  ERR_clear_error();
  return fail(code, fmt::format("cannot read the {} '{}': {}", what, path, reason));
}

// Nobody is asked for a passphrase.
struct Passphrase {
  bool was_asked_for = false;
  static int ask(char*, int, int, void* self) {
    static_cast<Passphrase*>(self)->was_asked_for = true;
    return -1;
  }
};

Result<Key> read_key(const std::string& path) {
  TD_ASSIGN(const File file, open(path, "key"));
  Passphrase passphrase;
  Key key(PEM_read_bio_PrivateKey(file.get(), nullptr, &Passphrase::ask, &passphrase),
          &EVP_PKEY_free);
  const std::string reason = key == nullptr ? why() : std::string();
  if (key != nullptr) return key;
  if (passphrase.was_asked_for) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("the key '{}' has a passphrase, and nobody is asked for it: write it "
                            "without one (openssl pkey -in KEY -out NEW), for its owner alone",
                            path));
  }
  return fail(ErrorCode::kMalformed,
              fmt::format("'{}' holds no key in PEM form: {}", path, reason));
}

Timestamp time_of(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return Timestamp{} + seconds(::timegm(&parts));
}

std::string text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::vector<std::string> names_of(const X509* certificate) {
  std::vector<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> all(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  const int count = all == nullptr ? 0 : sk_GENERAL_NAME_num(all.get());
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == GEN_DNS) {
      if (auto text = text_of(name->d.dNSName); !text.contains('*')) {
        names.push_back(std::move(text));
      }
    } else if (name->type == GEN_IPADD) {
      const std::string bytes = text_of(name->d.iPAddress);
      std::array<char, INET6_ADDRSTRLEN> text{};
      const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
      if ((bytes.size() == 4 || bytes.size() == 16) &&
          ::inet_ntop(family, bytes.data(), text.data(), text.size()) != nullptr) {
        names.emplace_back(text.data());
      }
    }
  }
  return names;
}

}  // namespace

Result<TlsIdentity> TlsIdentity::read(const std::string& certificate_file,
                                      const std::string& key_file, Timestamp now) {
  TlsIdentity identity;
  identity.context_ = {SSL_CTX_new(TLS_server_method()), &SSL_CTX_free};
  SSL_CTX* const context = identity.context_.get();
  TD_CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);  // of connections that wait

  if (const auto file = open(certificate_file, "certificate"); !file) {
    return std::unexpected(file.error());
  }
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return fail(ErrorCode::kMalformed,
                fmt::format("'{}' holds no certificate in PEM form (-----BEGIN CERTIFICATE-----), "
                            "or one that is too weak: {}",
                            certificate_file, why()));
  }
  X509* const certificate = SSL_CTX_get0_certificate(context);
  const Timestamp valid_from = time_of(X509_get0_notBefore(certificate));
  identity.valid_until_ = time_of(X509_get0_notAfter(certificate));
  identity.names_ = names_of(certificate);
  if (now < valid_from) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the certificate '{}' is valid from {} only: look at the clock of this "
                            "machine, or wait",
                            certificate_file, to_iso(valid_from)));
  }
  if (now >= identity.valid_until_) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the certificate '{}' expired at {}: renew it", certificate_file,
                            to_iso(identity.valid_until_)));
  }
  TD_ASSIGN(const Key key, read_key(key_file));
  if (X509_check_private_key(certificate, key.get()) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the key '{}' is not that of the certificate '{}': name the two that "
                            "were made together; in the certificate's file its own comes first",
                            key_file, certificate_file));
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("the key '{}' cannot be used for TLS: {}", key_file, why()));
  }
  return identity;
}

}  // namespace tapedeck::net
