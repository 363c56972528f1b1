#include "api/token_gate.hpp"

#include <gtest/gtest.h>

#include <set>

namespace tapedeck::api {
namespace {

TokenGate gate_of(const std::string& token) { return {{.operators = Secret(token)}, 8273}; }
bool allows(const TokenGate& gate, const net::HttpRequest& request) {
  return gate.role_of(request) == Role::kOperator;
}
bool is_fine(const std::string& text) {
  return TokenGate::check({.operators = Secret(text)}).has_value();
}

const std::string kToken = "0123456789abcdef0123456789abcdef";

net::HttpRequest with(const std::string& name, const std::string& value) {
  return {.method = "GET", .path = "/", .query = {}, .headers = {{name, value}}, .body = {}};
}

TEST(TokenGate, MakesTokensThatItTakes) {
  std::set<std::string> made;
  for (int i = 0; i < 100; ++i) {
    const Secret token = TokenGate::make_token();
    EXPECT_TRUE(is_fine(token.reveal()));
    EXPECT_EQ(token.reveal().size(), 64u);
    made.insert(token.reveal());
  }
  EXPECT_EQ(made.size(), 100u);
}

TEST(TokenGate, RefusesTokensThatAreShortOrUnsafe) {
  for (const std::string& text :
       {std::string(), std::string("short"), std::string(31, 'a'), std::string(257, 'a'),
        std::string(40, ' '), std::string(40, 'a') + ";", std::string(40, 'a') + "\r\nX: y"}) {
    EXPECT_FALSE(is_fine(text)) << text;
  }
  EXPECT_TRUE(is_fine("abcABC019-_-abcABC019-_-abcABC01"));
}

TEST(TokenGate, TakesOnlyTheWholeToken) {
  const TokenGate gate = gate_of(kToken);
  EXPECT_TRUE(gate.role_of_token(kToken));
  EXPECT_FALSE(gate.role_of_token(""));
  EXPECT_FALSE(gate.role_of_token(kToken.substr(0, 31)));
  EXPECT_FALSE(gate.role_of_token(kToken + "0"));
  EXPECT_FALSE(gate.role_of_token(std::string(32, '0')));
  for (std::size_t i = 0; i < kToken.size(); ++i) {
    std::string wrong = kToken;
    wrong[i] ^= 1;
    EXPECT_FALSE(gate.role_of_token(wrong)) << i;
  }
}

TEST(TokenGate, TakesTheCookieOfItsPort) {
  const TokenGate gate = gate_of(kToken);
  EXPECT_TRUE(allows(gate, with("Cookie", "tapedeck_8273=" + kToken)));
  EXPECT_TRUE(allows(gate, with("cookie", "a=b; tapedeck_8273=" + kToken + "; c=d")));
  EXPECT_TRUE(allows(gate, with("Cookie", "tapedeck_8273=stale; tapedeck_8273=" + kToken)));
  EXPECT_FALSE(allows(gate, with("Cookie", "tapedeck_8274=" + kToken)));
  EXPECT_FALSE(allows(gate, with("Cookie", "xtapedeck_8273=" + kToken)));
  EXPECT_FALSE(allows(gate, with("Cookie", "tapedeck_8273=")));
  EXPECT_FALSE(allows(gate, with("Cookie", "tapedeck_8273")));
  EXPECT_FALSE(allows(gate, with("Cookie", kToken)));
  EXPECT_FALSE(allows(gate, with("Cookie", ";;;=;")));
}

TEST(TokenGate, TakesABearer) {
  const TokenGate gate = gate_of(kToken);
  EXPECT_TRUE(allows(gate, with("Authorization", "Bearer " + kToken)));
  EXPECT_TRUE(allows(gate, with("authorization", "bearer  " + kToken)));
  EXPECT_FALSE(allows(gate, with("Authorization", "Bearer")));
  EXPECT_FALSE(allows(gate, with("Authorization", "Basic " + kToken)));
  EXPECT_FALSE(allows(gate, with("Authorization", kToken)));
  EXPECT_FALSE(allows(gate, with("X-Authorization", "Bearer " + kToken)));
}

TEST(TokenGate, ItsCookieIsForThisSiteAndNotForScripts) {
  EXPECT_EQ(gate_of(kToken).cookie(Role::kOperator, "", false),
            "tapedeck_8273=" + kToken + "; HttpOnly; SameSite=Strict; Path=/");
  EXPECT_EQ(gate_of(kToken).cookie(Role::kOperator, "/deck", true),
            "tapedeck_8273=" + kToken + "; HttpOnly; SameSite=Strict; Path=/deck/; Secure");
}

TEST(TokenGate, EachRoleHasItsToken) {
  const std::string viewer(32, 'v');
  const std::string metrics(32, 'm');
  const TokenGate gate(
      {.operators = Secret(kToken), .viewers = Secret(viewer), .metrics = Secret(metrics)}, 8273);
  EXPECT_EQ(gate.role_of_token(kToken), Role::kOperator);
  EXPECT_EQ(gate.role_of_token(viewer), Role::kViewer);
  EXPECT_EQ(gate.role_of_token(metrics), std::nullopt);
  EXPECT_EQ(gate.role_of(with("Cookie", "tapedeck_8273=" + viewer)), Role::kViewer);
  EXPECT_TRUE(gate.allows_metrics(with("Authorization", "Bearer " + metrics)));
  EXPECT_FALSE(gate.allows_metrics(with("Authorization", "Bearer " + viewer)));
  EXPECT_FALSE(gate.allows_metrics(with("Cookie", "tapedeck_8273=" + metrics)));
  EXPECT_EQ(gate.cookie(Role::kViewer, "", false).substr(0, 46), "tapedeck_8273=" + viewer);
  // A role without a token is nobody's, not everybody's.
  EXPECT_EQ(gate_of(kToken).role_of_token(""), std::nullopt);
  EXPECT_FALSE(gate_of(kToken).allows_metrics(with("Authorization", "Bearer ")));
  EXPECT_FALSE(gate_of(kToken).allows_metrics(with("X", "y")));
}

TEST(TokenGate, TwoRolesHaveTwoTokens) {
  const Secret token(kToken);
  const Secret other(std::string(32, 'v'));
  EXPECT_FALSE(TokenGate::check({.operators = token, .viewers = token}));
  EXPECT_FALSE(TokenGate::check({.operators = token, .metrics = token}));
  EXPECT_FALSE(TokenGate::check({.operators = token, .viewers = other, .metrics = other}));
  EXPECT_FALSE(TokenGate::check({.operators = token, .viewers = Secret("short")}));
  EXPECT_TRUE(TokenGate::check({.operators = token, .viewers = other}));
}

}  // namespace
}  // namespace tapedeck::api
