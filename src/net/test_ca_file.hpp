// src/net/test_ca_file.hpp: an authority, a certificate of it, and what is in a file of its own,
// for tests. The file is removed with the object; only its owner may read it.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "net/loopback_server.hpp"
#include "net/tls_identity.hpp"

namespace tapedeck::net {

inline const Certificate& authority() {
  static const Certificate made = make_authority();
  return made;
}
// Of that authority, for this machine.
inline const Certificate& good() {
  static const Certificate made = make_certificate(authority());
  return made;
}

class TestFile {
 public:
  explicit TestFile(std::string_view text) {
    std::string name = (std::filesystem::temp_directory_path() / "tapedeck-test-XXXXXX").string();
    const int descriptor = ::mkstemp(name.data());
    TD_CHECK(descriptor >= 0);
    ::close(descriptor);
    path_ = name;
    std::ofstream(path_) << text;
  }
  ~TestFile() { std::filesystem::remove(path_); }
  TestFile(const TestFile&) = delete;
  TestFile& operator=(const TestFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class TestCaFile : public TestFile {
 public:
  explicit TestCaFile(const Certificate& certificate) : TestFile(certificate.pem()) {}
};

// A server that shows good().
inline TlsIdentity good_identity() {
  const TestFile certificate(good().pem()), key(good().key_pem());
  auto identity = TlsIdentity::read(certificate.path(), key.path(), SystemClock().now());
  TD_CHECK(identity.has_value());
  return *std::move(identity);
}

}  // namespace tapedeck::net
