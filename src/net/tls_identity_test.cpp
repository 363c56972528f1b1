#include "net/tls_identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/test_ca_file.hpp"

namespace tapedeck::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Timestamp kNow = SystemClock().now();

Result<TlsIdentity> read(std::string_view certificate, std::string_view key) {
  const TestFile certificate_file(certificate), key_file(key);
  return TlsIdentity::read(certificate_file.path(), key_file.path(), kNow);
}

void expect_refused(const Result<TlsIdentity>& read, ErrorCode code, const std::string& why) {
  ASSERT_FALSE(read) << why;
  EXPECT_EQ(read.error().code, code) << read.error().message;
  EXPECT_THAT(read.error().message, HasSubstr(why));
}

TEST(TlsIdentityTest, KnowsItsNamesAndItsEnd) {
  const Certificate made = make_certificate(
      authority(),
      {.alternative_name = "DNS:deck.example.org,DNS:*.example.org,IP:192.168.1.7,IP:::1"});
  const auto identity = read(made.pem() + authority().pem(), made.key_pem());
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_THAT(identity->names(), ElementsAre("deck.example.org", "192.168.1.7", "::1"));
  EXPECT_GT(identity->valid_until(), kNow + minutes(59));
  EXPECT_LE(identity->valid_until(), kNow + minutes(61));
}

TEST(TlsIdentityTest, AFileThatIsNotThereIsNamed) {
  const TestFile key(good().key_pem()), certificate(good().pem());
  const auto none = TlsIdentity::read("/nowhere/at/all.pem", key.path(), kNow);
  expect_refused(none, ErrorCode::kNotFound, "certificate '/nowhere/at/all.pem': No such file");
  const auto no_key = TlsIdentity::read(certificate.path(), "/nowhere/key.pem", kNow);
  expect_refused(no_key, ErrorCode::kNotFound, "key '/nowhere/key.pem': No such file");
}

TEST(TlsIdentityTest, NobodyWaitsForAPipe) {
  const TestFile key(good().key_pem());
  const auto folder = TlsIdentity::read("/tmp", key.path(), kNow);
  expect_refused(folder, ErrorCode::kInvalidArgument, "certificate '/tmp' is not a regular file");
}

TEST(TlsIdentityTest, WhatIsNoPemIsRefused) {
  expect_refused(read("hello", good().key_pem()), ErrorCode::kMalformed, "holds no certificate");
  expect_refused(read("", good().key_pem()), ErrorCode::kMalformed, "holds no certificate");
  expect_refused(read(good().pem(), "hello"), ErrorCode::kMalformed, "holds no key");
  expect_refused(read(good().pem(), good().pem()), ErrorCode::kMalformed, "holds no key");
  expect_refused(read(good().key_pem(), good().key_pem()), ErrorCode::kMalformed,
                 "holds no certificate");
}

TEST(TlsIdentityTest, OnlyWhileItIsValid) {
  const Certificate over = make_certificate(authority(), {.valid_until_s = -60});
  expect_refused(read(over.pem(), over.key_pem()), ErrorCode::kInvalidArgument, "expired at 2");
  const Certificate to_come = make_certificate(authority(), {.valid_from_s = 600});
  expect_refused(read(to_come.pem(), to_come.key_pem()), ErrorCode::kInvalidArgument,
                 "look at the clock");
}

TEST(TlsIdentityTest, TheKeyMustBeThatOfTheCertificate) {
  const Certificate other = make_certificate(authority());
  expect_refused(read(good().pem(), other.key_pem()), ErrorCode::kInvalidArgument,
                 "is not that of the certificate");
  // Its own certificate comes first.
  expect_refused(read(authority().pem() + good().pem(), good().key_pem()),
                 ErrorCode::kInvalidArgument, "its own comes first");
}

TEST(TlsIdentityTest, NobodyIsAskedForAPassphrase) {
  expect_refused(read(good().pem(), good().key_pem("open sesame")), ErrorCode::kUnsupported,
                 "has a passphrase");
}

}  // namespace
}  // namespace tapedeck::net
