#include "feeds/yahoo/yahoo_feed.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <string>

#include "feeds/recording_sink.hpp"
#include "feeds/yahoo/pricing.hpp"

namespace tapedeck::feeds::yahoo {
namespace {

using market::PriceTick;
using market::to_string;
using testing::HasSubstr;
constexpr Timestamp kRecv{1'736'509'141'000'000'000};

Pricing share() {
  return {.id = "AAPL",
          .price = 307.2F,
          .time_ms = 1'785'937'395'000,
          .exchange = "NMS",
          .quote_type = 8,
          .market_hours = 1,
          .price_hint = 2};
}

std::string in_json(const std::string& base64) {
  return R"({"type":"pricing","message":")" + base64 + "\"}";
}

class YahooFeedTest : public testing::Test {
 protected:
  void frame(std::string_view text) { feed.on_frame(text, kRecv, "capture: line 1", sink); }
  void price(const Pricing& pricing) { frame(in_json(encode_base64(encode_pricing(pricing)))); }
  const PriceTick& tick(std::size_t i) { return std::get<PriceTick>(sink.others.at(i)); }
  std::string series_of(const PriceTick& t) { return to_string(catalog.series(t.series).key); }
  std::string reason() {
    EXPECT_EQ(sink.refusals.size(), 1u);
    EXPECT_TRUE(sink.others.empty());
    return sink.refusals.empty() ? "" : std::string(sink.refusals.front().reason);
  }

  market::Catalog catalog;
  YahooFeed feed{catalog};
  RecordingSink sink;
};

TEST_F(YahooFeedTest, Recorded) {
  frame(read_test_file(TD_SOURCE_DIR "/yahoo/testdata/pricing.ndjson"));
  ASSERT_EQ(sink.others.size(), 1u);
  EXPECT_TRUE(sink.refusals.empty());
  EXPECT_EQ(series_of(tick(0)), "yahoo/last/BTC-USD");
  EXPECT_EQ(catalog.series(tick(0).series).calendar, "24x7");
  EXPECT_EQ(to_string(tick(0).price), "110429.42");
  EXPECT_EQ(tick(0).ts_event.ns, 1'761'785'160'000'000'000);
  EXPECT_EQ(tick(0).ts_recv, kRecv);
}

TEST_F(YahooFeedTest, BothVersionsSayTheSame) {
  const std::string base64 = encode_base64(encode_pricing(share()));
  frame(base64 + "\n");
  YahooFeed other(catalog);
  other.on_frame(in_json(base64), kRecv, "x", sink);
  ASSERT_EQ(sink.others.size(), 2u);
  EXPECT_EQ(tick(0), tick(1));
  EXPECT_EQ(series_of(tick(0)), "yahoo/last/AAPL");
  EXPECT_EQ(catalog.series(tick(0).series).calendar, "us_equity");
  EXPECT_EQ(to_string(tick(0).price), "307.2");
}

// Frames that people have published: what a decoder of protocol buffers says of them is beside.
TEST_F(YahooFeedTest, FramesOfTheCorpus) {
  const char* corpus = std::getenv("TAPEDECK_CORPUS");
  if (corpus == nullptr) GTEST_SKIP() << "not run: no corpus";
  const auto v1 = lines_of(read_test_file(corpus + std::string("/yahoo/streamer_v1.b64")));
  const auto v2 = lines_of(read_test_file(corpus + std::string("/yahoo/streamer_v2.ndjson")));
  const auto expected =
      lines_of(read_test_file(corpus + std::string("/yahoo/streamer_expected.ndjson")));
  ASSERT_EQ(v1.size(), 10u);
  ASSERT_EQ(expected.size(), 10u);
  const auto number_of = [](const std::string& line, const std::string& name) {
    const auto at = line.find("\"" + name + "\": ");
    return line.substr(at + name.size() + 4, line.find_first_of(",}", at) - at - name.size() - 4);
  };
  for (std::size_t i = 0; i < v1.size(); ++i) {
    for (const std::string& text : {v1[i], v2.at(i)}) {
      YahooFeed fresh(catalog);
      sink = {};
      fresh.on_frame(text, kRecv, "x", sink);
      ASSERT_EQ(sink.others.size(), 1u) << text;
      const double theirs = std::stod(number_of(expected[i], "price"));
      EXPECT_NEAR(market::to_double(tick(0).price), theirs, 0.0051) << i;
      EXPECT_LE(tick(0).price.scale, 2);
      EXPECT_EQ(tick(0).ts_event.ns, std::stoll(number_of(expected[i], "time")) * 1'000'000);
      EXPECT_THAT(expected[i], HasSubstr(catalog.series(tick(0).series).key.instrument));
    }
  }
}

TEST_F(YahooFeedTest, WhatWasToldBeforeIsControl) {
  price(share());
  price(share());  // after a subscription
  Pricing older = share();
  older.time_ms -= 60'000;
  older.price = 300;
  price(older);
  Pricing same_second = share();
  same_second.price = 307.25F;
  price(same_second);
  feed.begin_session({.kind = market::OriginKind::kSession, .key = "b", .first = {2}});
  price(same_second);
  Pricing next = share();
  next.time_ms += 1000;
  price(next);
  ASSERT_EQ(sink.others.size(), 3u);
  EXPECT_EQ(sink.controls, 3);
  EXPECT_EQ(to_string(tick(1).price), "307.25");
  // Each has its place in its session, whether or not it was told before.
  EXPECT_EQ(tick(0).identity.seq, 0u);
  EXPECT_EQ(tick(1).identity.seq, 3u);
  EXPECT_EQ(tick(2).identity.seq, 1u);
  EXPECT_EQ(catalog.origin(tick(2).identity.origin).key, "b");
}

TEST(Pricing, AFloatIsItsShortestDecimal) {
  const auto text = [](float price, std::optional<std::int64_t> hint) {
    return price_text(price, hint);
  };
  EXPECT_EQ(text(307.20001220703125F, 2), "307.2");
  EXPECT_EQ(text(94745.078125F, 2), "94745.08");
  EXPECT_EQ(text(94745.078125F, std::nullopt), "94745.08");
  EXPECT_EQ(text(1.08512F, 4), "1.0851");
  EXPECT_EQ(text(1.08515F, 4), "1.0852");  // a half goes to the even digit
  EXPECT_EQ(text(1.08525F, 4), "1.0852");
  EXPECT_EQ(text(0.00002F, 2), "0.00002");  // of which nothing would be left
  EXPECT_EQ(text(5.0F, 0), "5");
  EXPECT_EQ(text(5.5F, -3), "5.5");
  EXPECT_EQ(text(5.5F, std::numeric_limits<std::int64_t>::max()), "5.5");
  EXPECT_EQ(text(999.999F, 2), "1000");
  EXPECT_EQ(text(16777216.0F, 2), "16777216");
}

TEST(Pricing, Base64) {
  for (const std::string bytes : {"", "a", "ab", "abc", "abcd", "\xff\x00\x01"}) {
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
  }
  EXPECT_EQ(encode_base64("ab"), "YWI=");
  for (const char* text : {"Y", "YW", "YWI", "YWJ=", "Y===", "====", "YW I", "YWI=YWI=", "YW\nI"}) {
    EXPECT_EQ(decode_base64(text), std::nullopt) << text;
  }
}

TEST(Pricing, UnknownFieldsArePassedOver) {
  const std::string known = encode_pricing(share());
  // Numbers 100 (of all kinds that there are) and 12.
  const std::string others(
      "\xa0\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
      "\xa1\x06\x01\x02\x03\x04\x05\x06\x07\x08"
      "\xa2\x06\x02hi"
      "\xa5\x06\x01\x02\x03\x04"
      "\x65\x01\x02\x03\x04",
      12 + 10 + 5 + 6 + 5);
  const auto read = decode_pricing(others + known);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->id, "AAPL");
  EXPECT_EQ(read->price, 307.2F);
  EXPECT_EQ(read->price_hint, 2);
  EXPECT_EQ(read->time_ms, 1'785'937'395'000);
}

TEST(Pricing, WhatIsBrokenIsRefused) {
  for (const std::string& bytes :
       {std::string("\x0a"),
        std::string("\x0a\x05"
                    "AAPL"),
        std::string("\x15\x00\x00", 3), std::string("\x18\x80"),
        std::string("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), std::string("\x00\x01", 2),
        std::string("\x0b"), std::string("\x0f"),
        std::string("\x08\x01"),  // the symbol as a number
        std::string("\x10\x01"),
        std::string("\x1a\x01"
                    "a"),  // price and time of other kinds
        std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}) {
    EXPECT_FALSE(decode_pricing(bytes)) << testing::PrintToString(bytes);
  }
  EXPECT_TRUE(decode_pricing(""));
}

TEST_F(YahooFeedTest, WhatIsWrongIsNamed) {
  const auto with = [](auto&& change) {
    Pricing pricing = share();
    change(pricing);
    return in_json(encode_base64(encode_pricing(pricing)));
  };
  const std::vector<std::pair<std::string, std::string>> cases{
      {with([](Pricing& p) { p.id.clear(); }), "missing_field"},
      {with([](Pricing& p) { p.id = "A\nB"; }), "bad_symbol"},
      {with([](Pricing& p) { p.id = "\xff"; }), "bad_symbol"},
      {with([](Pricing& p) { p.price = 0; }), "bad_price"},
      {with([](Pricing& p) { p.price = -1; }), "bad_price"},
      {with([](Pricing& p) { p.price = std::numeric_limits<float>::quiet_NaN(); }), "bad_price"},
      {with([](Pricing& p) { p.price = std::numeric_limits<float>::infinity(); }), "bad_price"},
      {with([](Pricing& p) { p.price = 3e38F; }), "bad_price"},
      {with([](Pricing& p) { p.price = 1e-40F; }), "bad_price"},
      {with([](Pricing& p) { p.time_ms = 0; }), "bad_time"},
      {with([](Pricing& p) { p.time_ms = std::numeric_limits<std::int64_t>::min(); }), "bad_time"},
      {in_json(""), "missing_field"},
      {in_json("CgRBQVBM"), "missing_field"},  // a symbol alone
      {in_json("rubbish!"), "malformed"},
      {R"({"type":"pricing"})", "missing_field"},
      {R"({"type":"pricing","message":{}})", "missing_field"},
      {R"({"type":"news","message":"CgRBQVBM"})", "unknown_message"},
      {"{}", "unknown_message"},
      {"", "malformed"},
      {" \n", "malformed"},
      {"[]", "malformed"},
      {in_json("CgRB") + "x", "malformed"},
      {std::string(3000, '{'), "malformed"},
  };
  for (const auto& [text, want] : cases) {
    sink = {};
    frame(text);
    EXPECT_EQ(reason(), want) << text.substr(0, 200);
  }
}

TEST_F(YahooFeedTest, BothVersionsAreRecognised) {
  const auto recognises = feed_kind().recognises;
  const std::string base64 = encode_base64(encode_pricing(share()));
  EXPECT_TRUE(recognises(base64));
  EXPECT_TRUE(recognises("1736509141000000000" + base64));  // blanks are taken out
  EXPECT_TRUE(recognises("1736509141000000000" + in_json(base64)));
  for (const char* other : {"", "17", "AAPL", R"({"type":"trade","data":[]})"}) {
    EXPECT_FALSE(recognises(other)) << other;
  }
}

TEST_F(YahooFeedTest, AHeartbeatIsControl) {
  Pricing beat = share();
  beat.quote_type = kHeartbeat;
  price(beat);
  EXPECT_EQ(sink.controls, 1);
  EXPECT_TRUE(sink.others.empty());
}

TEST_F(YahooFeedTest, EveryCutAndEveryFlipIsAnswered) {
  for (const std::string& whole :
       {encode_base64(encode_pricing(share())), in_json(encode_base64(encode_pricing(share())))}) {
    for (std::size_t i = 0; i < whole.size(); ++i) {
      for (int bit = 0; bit < 9; ++bit) {
        std::string text = whole;
        if (bit == 8) text.resize(i);
        if (bit < 8) text[i] = static_cast<char>(text[i] ^ (1 << bit));
        YahooFeed fresh(catalog);
        sink = {};
        fresh.on_frame(text, kRecv, "x", sink);
        EXPECT_EQ(sink.others.size() + sink.refusals.size() + static_cast<unsigned>(sink.controls),
                  1u)
            << text;
      }
    }
  }
}

// The venue's own side, for the emulator.
TEST(YahooSession, GrantsAHundredSymbolsAndIsSilentAboutTheRest) {
  const FeedKind kind = feed_kind();
  EXPECT_EQ(kind.emulation->open("/nowhere"), nullptr);
  const auto session = kind.emulation->open("/?version=2");
  std::vector<std::string> symbols;
  for (int i = 0; i < 101; ++i) symbols.push_back("S" + std::to_string(i));
  for (const std::string& wish : kind.live->subscribe(symbols)) {
    EXPECT_TRUE(session->on_message(wish).empty());
  }
  EXPECT_EQ(session->symbols().size(), 100u);
  EXPECT_TRUE(session->on_message(R"({"unsubscribe":["S1"]})").empty());
  EXPECT_FALSE(session->symbols().contains("S1"));
  for (const char* nonsense : {"{", "[]", R"({"subscribe":"X"})", R"({"dance":["X"]})"}) {
    EXPECT_TRUE(session->on_message(nonsense).empty());
  }
  EXPECT_EQ(session->symbols().size(), 99u);
}

TEST_F(YahooFeedTest, WhatTheSessionSendsIsRead) {
  const EmulatedTrade trade{.symbol = "^GSPC",
                            .id = 7,
                            .price = *market::parse_decimal("5843.21"),
                            .size = *market::parse_decimal("3"),
                            .ts_event = Timestamp{1'783'465'157'897'123'456}};
  for (const std::string_view target : {"/", "/?version=2"}) {
    YahooFeed fresh(catalog);
    sink = {};
    fresh.on_frame(feed_kind().emulation->open(target)->trade_frame(trade), kRecv, "x", sink);
    ASSERT_EQ(sink.others.size(), 1u) << target;
    EXPECT_EQ(tick(0).price, trade.price);
    EXPECT_EQ(tick(0).ts_event.ns, 1'783'465'157'897'000'000);
    EXPECT_EQ(series_of(tick(0)), "yahoo/last/^GSPC");
  }
}

}  // namespace
}  // namespace tapedeck::feeds::yahoo
