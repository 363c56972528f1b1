#include "net/endpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/failure.hpp"

namespace tapedeck::net {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Endpoint, NamesHostPortAndTarget) {
  const auto finnhub = parse_endpoint(Secret("wss://ws.finnhub.io?token=KEY"), "ws");
  ASSERT_TRUE(finnhub);
  EXPECT_TRUE(finnhub->is_tls);
  EXPECT_EQ(finnhub->host, "ws.finnhub.io");
  EXPECT_EQ(finnhub->port, "443");
  EXPECT_EQ(finnhub->host_header, "ws.finnhub.io");
  EXPECT_EQ(finnhub->target, "/?token=KEY");
  EXPECT_EQ(finnhub->origin, "wss://ws.finnhub.io");

  const auto binance = parse_endpoint(Secret("wss://stream.binance.com:9443/ws/a@trade"), "ws");
  ASSERT_TRUE(binance);
  EXPECT_EQ(binance->port, "9443");
  EXPECT_EQ(binance->host_header, "stream.binance.com:9443");
  EXPECT_EQ(binance->target, "/ws/a@trade");

  const auto local = parse_endpoint(Secret("http://[::1]:80/x"), "http");
  ASSERT_TRUE(local);
  EXPECT_FALSE(local->is_tls);
  EXPECT_EQ(local->host, "::1");
  EXPECT_EQ(local->host_header, "[::1]");
}

TEST(Endpoint, RefusesWhatOthersCouldReadInAnotherWay) {
  for (const char* url : {"",
                          "ws",
                          "ws:",
                          "wss:/x",
                          "wsx://host",
                          "http://host/KEY",
                          "wss://",
                          "wss:///KEY",
                          "wss://host:/KEY",
                          "wss://host:0/KEY",
                          "wss://host:65536/KEY",
                          "wss://host:80x/KEY",
                          "wss://host:8:8/KEY",
                          "wss://KEY@host/",
                          "wss://u:KEY@host/",
                          "wss://ho st/KEY",
                          "wss://ho\\st/KEY",
                          "wss://h%6fst/KEY",
                          "wss://[::1/KEY",
                          "wss://[host]/KEY",
                          "wss://[::1]x/KEY",
                          "wss://host/a b?KEY",
                          "wss://host/KEY\r\nX: y",
                          "wss://host/#KEY",
                          "wss://host#KEY",
                          "wss://host/\xc3\xa4KEY",
                          "wss://host\n/KEY"}) {
    const auto endpoint = parse_endpoint(Secret(url), "ws");
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(endpoint.error().message, HasSubstr("write one such as wss://")) << url;
    EXPECT_THAT(endpoint.error().message, Not(HasSubstr("KEY"))) << url;
  }
}

TEST(Endpoint, AHeaderHasNoLineBreaks) {
  EXPECT_TRUE(is_header("X-Finnhub-Token", "a b:c\t\xc3\xa4"));
  EXPECT_TRUE(is_header("Empty", ""));
  for (const char* value : {"a\nb", "a\r", "a\x7f"}) EXPECT_FALSE(is_header("X", value));
  for (const char* name : {"", "a b", "a:", "a\n"}) EXPECT_FALSE(is_header(name, "x"));
}

TEST(Failure, RetryAfterIsInSeconds) {
  EXPECT_EQ(parse_retry_after("0"), seconds(0));
  EXPECT_EQ(parse_retry_after("120"), seconds(120));
  for (const char* text : {"", "-1", "1.5", "1 ", "99999999999", "Wed, 21 Oct 2026 07:28:00 GMT"}) {
    EXPECT_FALSE(parse_retry_after(text)) << text;
  }
}

TEST(Failure, SaysWhatToDo) {
  EXPECT_EQ(failure(FailureKind::kHandshake, "wss://x.org", "HTTP 403", 403).message,
            "wss://x.org: it did not become a WebSocket (HTTP 403): check the key, and what it is "
            "entitled to");
  EXPECT_THAT(failure(FailureKind::kHandshake, "wss://x", "", 302).message,
              HasSubstr("redirects are not followed"));
  EXPECT_THAT(failure(FailureKind::kHandshake, "wss://x", "", 404).message,
              HasSubstr("check the path"));
  EXPECT_THAT(failure(FailureKind::kHandshake, "wss://x", "", 429).message, HasSubstr("wait"));
  EXPECT_THAT(failure(FailureKind::kHandshake, "wss://x", "", 503).message, HasSubstr("later"));
  EXPECT_THAT(failure(FailureKind::kClosed, "wss://x", "", 1008).message, HasSubstr("limits"));
}

}  // namespace
}  // namespace tapedeck::net
