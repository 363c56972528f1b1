#include "api/token_gate.hpp"

#include <gtest/gtest.h>

#include <set>

namespace tapedeck::api {
namespace {

const std::string kToken = "0123456789abcdef0123456789abcdef";

net::HttpRequest with(const std::string& name, const std::string& value) {
  return {.method = "GET", .path = "/", .query = {}, .headers = {{name, value}}, .body = {}};
}

TEST(TokenGate, MakesTokensThatItTakes) {
  std::set<std::string> made;
  for (int i = 0; i < 100; ++i) {
    const Secret token = TokenGate::make_token();
    EXPECT_TRUE(TokenGate::check_token(token));
    EXPECT_EQ(token.reveal().size(), 64u);
    made.insert(token.reveal());
  }
  EXPECT_EQ(made.size(), 100u);
}

TEST(TokenGate, RefusesTokensThatAreShortOrUnsafe) {
  for (const std::string& text :
       {std::string(), std::string("short"), std::string(31, 'a'), std::string(257, 'a'),
        std::string(40, ' '), std::string(40, 'a') + ";", std::string(40, 'a') + "\r\nX: y"}) {
    EXPECT_FALSE(TokenGate::check_token(Secret(text))) << text;
  }
  EXPECT_TRUE(TokenGate::check_token(Secret("abcABC019-_-abcABC019-_-abcABC01")));
}

TEST(TokenGate, TakesOnlyTheWholeToken) {
  const TokenGate gate(Secret(kToken), 8273);
  EXPECT_TRUE(gate.is_token(kToken));
  EXPECT_FALSE(gate.is_token(""));
  EXPECT_FALSE(gate.is_token(kToken.substr(0, 31)));
  EXPECT_FALSE(gate.is_token(kToken + "0"));
  EXPECT_FALSE(gate.is_token(std::string(32, '0')));
  for (std::size_t i = 0; i < kToken.size(); ++i) {
    std::string wrong = kToken;
    wrong[i] ^= 1;
    EXPECT_FALSE(gate.is_token(wrong)) << i;
  }
}

TEST(TokenGate, TakesTheCookieOfItsPort) {
  const TokenGate gate(Secret(kToken), 8273);
  EXPECT_TRUE(gate.allows(with("Cookie", "tapedeck_8273=" + kToken)));
  EXPECT_TRUE(gate.allows(with("cookie", "a=b; tapedeck_8273=" + kToken + "; c=d")));
  EXPECT_TRUE(gate.allows(with("Cookie", "tapedeck_8273=stale; tapedeck_8273=" + kToken)));
  EXPECT_FALSE(gate.allows(with("Cookie", "tapedeck_8274=" + kToken)));
  EXPECT_FALSE(gate.allows(with("Cookie", "xtapedeck_8273=" + kToken)));
  EXPECT_FALSE(gate.allows(with("Cookie", "tapedeck_8273=")));
  EXPECT_FALSE(gate.allows(with("Cookie", "tapedeck_8273")));
  EXPECT_FALSE(gate.allows(with("Cookie", kToken)));
  EXPECT_FALSE(gate.allows(with("Cookie", ";;;=;")));
}

TEST(TokenGate, TakesABearer) {
  const TokenGate gate(Secret(kToken), 8273);
  EXPECT_TRUE(gate.allows(with("Authorization", "Bearer " + kToken)));
  EXPECT_TRUE(gate.allows(with("authorization", "bearer  " + kToken)));
  EXPECT_FALSE(gate.allows(with("Authorization", "Bearer")));
  EXPECT_FALSE(gate.allows(with("Authorization", "Basic " + kToken)));
  EXPECT_FALSE(gate.allows(with("Authorization", kToken)));
  EXPECT_FALSE(gate.allows(with("X-Authorization", "Bearer " + kToken)));
}

TEST(TokenGate, ItsCookieIsForThisSiteAndNotForScripts) {
  EXPECT_EQ(TokenGate(Secret(kToken), 8273).cookie(),
            "tapedeck_8273=" + kToken + "; HttpOnly; SameSite=Strict; Path=/");
}

}  // namespace
}  // namespace tapedeck::api
