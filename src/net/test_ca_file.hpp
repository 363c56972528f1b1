// src/net/test_ca_file.hpp: an authority, a certificate of it, and a certificate in a file of its
// own, for tests. The file is removed with the object.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/check.hpp"
#include "net/loopback_server.hpp"

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

class TestCaFile {
 public:
  explicit TestCaFile(const Certificate& certificate) {
    std::string name = (std::filesystem::temp_directory_path() / "tapedeck-ca-XXXXXX").string();
    const int descriptor = ::mkstemp(name.data());
    TD_CHECK(descriptor >= 0);
    ::close(descriptor);
    path_ = name;
    std::ofstream(path_) << certificate.pem();
  }
  ~TestCaFile() { std::filesystem::remove(path_); }
  TestCaFile(const TestCaFile&) = delete;
  TestCaFile& operator=(const TestCaFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace tapedeck::net
