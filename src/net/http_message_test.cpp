#include "net/http_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tapedeck::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(ParseTarget, SplitsAndDecodes) {
  const auto target = parse_target("/api/v1/b%61rs?series=kraken%2Ftrade/BTC%2fUSD&note=a+b%2B&x");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/api/v1/bars");
  EXPECT_THAT(target->query, ElementsAre(Pair("series", "kraken/trade/BTC/USD"),
                                         Pair("note", "a b+"), Pair("x", "")));
}

TEST(ParseTarget, KeepsRepeatsAndSkipsEmptyPairs) {
  const auto target = parse_target("/?a=1&&a=2&=3&");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/");
  EXPECT_THAT(target->query, ElementsAre(Pair("a", "1"), Pair("a", "2"), Pair("", "3")));
}

TEST(ParseTarget, APlusInThePathIsAPlus) { EXPECT_EQ(parse_target("/a+b")->path, "/a+b"); }

TEST(ParseTarget, DecodesOnce) { EXPECT_EQ(parse_target("/%252e%252e/x")->path, "/%2e%2e/x"); }

TEST(ParseTarget, RefusesWhatIsNoPath) {
  for (const char* text : {"", "*", "api", "http://evil.example/", "example:443"}) {
    const auto target = parse_target(text);
    ASSERT_FALSE(target) << text;
    EXPECT_EQ(target.error().code, ErrorCode::kMalformed);
  }
}

TEST(ParseTarget, RefusesBrokenEscapes) {
  for (const char* text : {"/%", "/%4", "/%zz", "/a?b=%1", "/a?%g0=1"}) {
    const auto target = parse_target(text);
    ASSERT_FALSE(target) << text;
    EXPECT_THAT(target.error().message, HasSubstr("two hex digits"));
  }
}

TEST(HttpRequest, FindsHeadersWhateverTheirCase) {
  const HttpRequest request{.method = "GET",
                            .path = "/",
                            .query = {},
                            .headers = {{"Cookie", "a=1"}, {"cookie", "a=2"}},
                            .body = {}};
  EXPECT_EQ(request.header("COOKIE"), "a=1");
  EXPECT_EQ(request.header("Cookies"), "");
}

TEST(AllowedHosts, AreTheNamesWithThePort) {
  const std::vector<std::string> names{"localhost", "127.0.0.1", "[::1]"};
  const AllowedHosts hosts({.names = names}, 8273);
  EXPECT_TRUE(hosts.allows_host("localhost:8273"));
  EXPECT_TRUE(hosts.allows_host("LocalHost:8273"));
  EXPECT_TRUE(hosts.allows_host("127.0.0.1:8273"));
  EXPECT_TRUE(hosts.allows_host("[::1]:8273"));
  for (const char* host : {"", "localhost", "localhost:8274", "localhost:82730", "evil.example",
                           "localhost:8273.evil.example", "evil.example:8273", "127.0.0.1"}) {
    EXPECT_FALSE(hosts.allows_host(host)) << host;
  }
  EXPECT_TRUE(AllowedHosts({.names = names}, 80).allows_host("localhost"));
}

TEST(AllowedHosts, AnOriginIsOursOrAbsent) {
  const std::vector<std::string> names{"localhost"};
  const AllowedHosts hosts({.names = names}, 8273);
  EXPECT_TRUE(hosts.allows_origin(std::nullopt));
  EXPECT_TRUE(hosts.allows_origin("http://localhost:8273"));
  for (const char* origin : {"", "null", "http://", "https://localhost:8273", "localhost:8273",
                             "http://localhost:3000", "http://evil.example"}) {
    EXPECT_FALSE(hosts.allows_origin(origin)) << origin;
  }
}

TEST(AllowedHosts, ExactOnesAreAProxysAndMayHaveTls) {
  const AllowedHosts hosts({.names = {"localhost"}, .exact = {"market.example.org"}}, 8273);
  EXPECT_TRUE(hosts.allows_host("market.example.org"));
  EXPECT_FALSE(hosts.allows_host("market.example.org:8273"));
  EXPECT_TRUE(hosts.allows_origin("https://market.example.org"));
  EXPECT_FALSE(hosts.allows_origin("https://localhost:8273"));
  EXPECT_FALSE(hosts.allows_origin("https://evil.example"));
}

TEST(AllowedHosts, AnyAddressIsNoName) {
  const AllowedHosts hosts({.any_address = true}, 8273);
  EXPECT_TRUE(hosts.allows_host("192.168.1.5:8273"));
  EXPECT_TRUE(hosts.allows_host("[fe80::1]:8273"));
  for (const char* host : {"192.168.1.5", "192.168.1.5:80", "evil.example:8273", ":8273",
                           "1.2.3:8273", "1.2.3.4.evil:8273", "[evil]:8273", "[]:8273"}) {
    EXPECT_FALSE(hosts.allows_host(host)) << host;
  }
  EXPECT_FALSE(AllowedHosts({}, 8273).allows_host("192.168.1.5:8273"));
  const AllowedHosts usual({.any_address = true, .is_tls = true}, 443);
  EXPECT_TRUE(usual.allows_host("192.168.1.5"));
  EXPECT_TRUE(usual.allows_host("192.168.1.5:443"));
  EXPECT_FALSE(usual.allows_host("192.168.1.5:80"));
  EXPECT_FALSE(usual.allows_host("evil.example"));
}

TEST(AllowedHosts, WithTlsOurOriginHasItToo) {
  const AllowedHosts hosts({.names = {"localhost"}, .is_tls = true}, 8273);
  EXPECT_TRUE(hosts.allows_origin("https://localhost:8273"));
  EXPECT_FALSE(hosts.allows_origin("http://localhost:8273"));
  EXPECT_FALSE(hosts.allows_origin("https://evil.example:8273"));
  const AllowedHosts usual({.names = {"localhost"}, .is_tls = true}, 443);
  EXPECT_TRUE(usual.allows_origin("https://localhost"));
  EXPECT_FALSE(AllowedHosts({.names = {"localhost"}, .is_tls = true}, 80).allows_host("localhost"));
}

}  // namespace
}  // namespace tapedeck::net
