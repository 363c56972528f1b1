#include "base/log.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.hpp"

namespace tapedeck {
namespace {

class LogTest : public testing::Test {
 protected:
  Log log(LogFormat format, LogLevel least = LogLevel::kDebug) {
    return Log(clock_, format, least,
               [this](LogLevel, std::string_view line) { lines_.emplace_back(line); });
  }
  ManualClock clock_{Timestamp{1381152600'000000000}};
  std::vector<std::string> lines_;
};

TEST_F(LogTest, Json) {
  log(LogFormat::kJson)
      .warning("it \"broke\"", {{"feed", "kraken"},
                                {"n", -5},
                                {"big", std::numeric_limits<std::uint64_t>::max()},
                                {"ratio", 0.5},
                                {"up", false},
                                {"why", std::string("a\nb")}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0],
            "{\"ts\":\"2013-10-07T13:30:00.000000000Z\",\"level\":\"warning\","
            "\"message\":\"it \\\"broke\\\"\",\"feed\":\"kraken\",\"n\":-5,"
            "\"big\":18446744073709551615,\"ratio\":0.5,\"up\":false,\"why\":\"a\\u000ab\"}");
}

TEST_F(LogTest, Text) {
  log(LogFormat::kText).info("started", {{"port", 8273}, {"dir", "a b"}, {"none", ""}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0],
            "2013-10-07T13:30:00.000000000Z info    started port=8273 dir=\"a b\" none=\"\"");
}

TEST_F(LogTest, SaysNothingBelowItsLevel) {
  Log quiet = log(LogFormat::kText, LogLevel::kWarning);
  quiet.debug("a");
  quiet.info("b");
  quiet.warning("c");
  quiet.error("d");
  EXPECT_EQ(lines_.size(), 2u);
}

TEST_F(LogTest, ASecretNeverAppears) {
  const Secret token("hunter2hunter2");
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    log(format).error("refused", {{"token", token}});
    EXPECT_EQ(lines_.back().find("hunter2"), std::string::npos);
    EXPECT_NE(lines_.back().find("***"), std::string::npos);
  }
}

// What has no number in JSON must not break the line.
TEST_F(LogTest, NumbersThatJsonDoesNotHave) {
  log(LogFormat::kJson)
      .info("x", {{"a", std::numeric_limits<double>::quiet_NaN()},
                  {"b", -std::numeric_limits<double>::infinity()}});
  EXPECT_NE(lines_[0].find("\"a\":\"nan\",\"b\":\"-inf\"}"), std::string::npos) << lines_[0];
}

// One record is one line, and no byte of it steers a terminal.
TEST_F(LogTest, HostileTextStaysOnItsLine) {
  std::string hostile;
  for (int c = 0; c < 256; ++c) hostile += static_cast<char>(c);
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    log(format).info(hostile, {{"value", hostile}, {"escape", "\x1b[2J"}, {"tail", "\xFF"}});
    for (const char c : lines_.back()) {
      ASSERT_FALSE(static_cast<unsigned char>(c) < 0x20 || c == 0x7F) << lines_.back();
    }
    EXPECT_EQ(lines_.back().find('\xFF'), std::string::npos);
  }
}

TEST_F(LogTest, LinesOfThreadsDoNotMix) {
  Log shared = log(LogFormat::kText);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) shared.info("0123456789");
      });
    }
  }
  ASSERT_EQ(lines_.size(), 200u);
  for (const std::string& line : lines_) EXPECT_EQ(line, lines_[0]);
}

TEST(JsonQuote, KeepsValidUtf8) {
  EXPECT_EQ(json_quote(""), "\"\"");
  EXPECT_EQ(json_quote("BTC/USD"), "\"BTC/USD\"");
  EXPECT_EQ(json_quote("\"\\"), "\"\\\"\\\\\"");
  EXPECT_EQ(json_quote(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\\u007f\"");
  EXPECT_EQ(json_quote("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
            "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
}

TEST(JsonQuote, ReplacesWhatIsNot) {
  const std::string bad = "\xEF\xBF\xBD";
  const auto quoted = [](const std::string& inside) { return "\"" + inside + "\""; };
  EXPECT_EQ(json_quote("a\xFFz"), quoted("a" + bad + "z"));
  EXPECT_EQ(json_quote("\x80"), quoted(bad));
  EXPECT_EQ(json_quote("\xC3"), quoted(bad));                            // cut off
  EXPECT_EQ(json_quote("\xC0\xAF"), quoted(bad + bad));                  // overlong
  EXPECT_EQ(json_quote("\xE0\x9F\xBF"), quoted(bad + bad + bad));        // overlong
  EXPECT_EQ(json_quote("\xED\xA0\x80"), quoted(bad + bad + bad));        // surrogate
  EXPECT_EQ(json_quote("\xF4\x90\x80\x80").size(), 2 + 4 * bad.size());  // beyond U+10FFFF
  EXPECT_EQ(json_quote("\xF0\x9F\x98"), quoted(bad + bad + bad));        // cut off
}

}  // namespace
}  // namespace tapedeck
