#include "api/message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tapedeck::api {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(Message, IsAFlatObject) {
  EXPECT_THAT(*parse_message(R"({"type":"subscribe","run":2,"on":true})"),
              ElementsAre(Pair("type", "subscribe"), Pair("run", "2"), Pair("on", "true")));
  EXPECT_THAT(*parse_message(" \t{ \"a\" : -1.5e+3 , \"\" : \"\" } \r\n"),
              ElementsAre(Pair("a", "-1.5e+3"), Pair("", "")));
  EXPECT_THAT(*parse_message("{}"), ElementsAre());
}

TEST(Message, DecodesEscapes) {
  EXPECT_THAT(*parse_message(R"({"a":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00"})"),
              ElementsAre(Pair("a", "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")));
}

TEST(Message, RefusesWhatItDoesNotUnderstand) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[]",
                           "1",
                           "null",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\":1 \"b\":2}",
                           "{\"a\":null}",
                           "{\"a\":{}}",
                           "{\"a\":[1]}",
                           "{\"a\":01}",
                           "{\"a\":-}",
                           "{\"a\":1.}",
                           "{\"a\":1e}",
                           "{\"a\":.5}",
                           "{\"a\":tru}",
                           "{\"a\":\"x}",
                           "{\"a\":\"\\x\"}",
                           "{\"a\":\"\\u12\"}",
                           "{\"a\":\"\\u12g4\"}",
                           "{\"a\":\"\\ud83d\"}",
                           "{\"a\":\"\\ude00\"}",
                           "{\"a\":\"\\ud83d\\u0041\"}",
                           "{\"a\":1}{}",
                           "{\"a\":1}x",
                           "{\"a\":1,\"a\":2}",
                           "{a:1}",
                           "{'a':1}",
                           "{\"a\":\"\n\"}",
                           "{\"a\":\"\\",
                           "{\"a\":\"\\u"}) {
    const auto parsed = parse_message(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kMalformed) << text;
  }
  std::string many = "{";
  for (int i = 0; i < 33; ++i) many += (i > 0 ? ",\"m" : "\"m") + std::to_string(i) + "\":1";
  EXPECT_FALSE(parse_message(many + "}"));
}

}  // namespace
}  // namespace tapedeck::api
