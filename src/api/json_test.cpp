#include "api/json.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "api/error_table.hpp"
#include "api/fake_pipeline.hpp"

namespace tapedeck::api {
namespace {

const market::SeriesKey kKey{"kraken", "trade", "BTC/USD"};

TEST(Json, ABarHasItsDecimalsAsText) {
  market::Bar full = bar(1, "167.42", 12001);
  full.is_final = true;
  full.revision = 2;
  full.reason = market::RevisionReason::kLate;
  full.ts_known = Timestamp{61};
  full.trades = 12;
  full.excluded = 3;
  full.volume = sum("170141183460469231731687303715884105727");
  full.buy_volume = sum("5");
  EXPECT_EQ(bars_snapshot_frame({"snapshot", ""}, kKey, {},
                                {.run = 1, .offset = Offset(12345), .bars = {full}}),
            "{\"type\":\"snapshot\",\"run\":1,\"offset\":\"12345\",\"series\":"
            "\"kraken/trade/BTC/USD\",\"interval\":\"1m\",\"conditions\":\"eligible\","
            "\"session\":\"extended\",\"source\":\"trades\",\"adjusted\":\"raw\","
            "\"bars\":[{\"ts_open\":\"60000000000\","
            "\"open\":\"167.42\",\"high\":\"167.42\",\"low\":\"167.42\",\"close\":\"167.42\","
            "\"volume\":\"170141183460469231731687303715884105727\",\"trades\":12,\"excluded\":3,"
            "\"notional\":\"167.42\",\"vwap\":\"0\",\"buy_volume\":\"5\",\"sell_volume\":\"0\","
            "\"final\":true,\"complete\":true,\"revision\":2,\"reason\":\"late\","
            "\"ts_known\":\"61\",\"unapplied\":0,\"offset\":\"12001\"}]}");
}

TEST(Json, APriceThatNoTradeSetIsNull) {
  market::Bar empty = bar(0, "5", 1);
  empty.open = empty.high = empty.low = empty.close = std::nullopt;
  empty.unapplied = 1;
  empty.is_final = true;
  EXPECT_EQ(
      bars_frame({"bars", "chart"}, {}, {.run = 3, .offset = Offset(1), .bars = {empty}}),
      "{\"type\":\"bars\",\"id\":\"chart\",\"run\":3,\"offset\":\"1\",\"bars\":[{"
      "\"ts_open\":\"0\",\"open\":null,\"high\":null,\"low\":null,\"close\":null,"
      "\"volume\":\"1\",\"trades\":1,\"excluded\":0,\"notional\":\"5\",\"vwap\":\"5\","
      "\"buy_volume\":\"0\",\"sell_volume\":\"0\",\"final\":true,\"complete\":false,"
      "\"revision\":0,\"reason\":null,\"ts_known\":\"0\",\"unapplied\":1,\"offset\":\"1\"}]}");
}

TEST(Json, FramesHaveTheirHeads) {
  const pipeline::BarPage none{.run = 7, .offset = Offset(18446744073709551615u), .bars = {}};
  const market::BarSpec spec{seconds(15), market::ConditionMode::kAll,
                             market::SessionMode::kRegular};
  EXPECT_EQ(bars_snapshot_frame({"snapshot", ""}, kKey, spec, none, "{\"a\":1}"),
            "{\"type\":\"snapshot\",\"run\":7,\"offset\":\"18446744073709551615\","
            "\"series\":\"kraken/trade/BTC/USD\",\"interval\":\"15s\",\"conditions\":\"all\","
            "\"session\":\"regular\",\"source\":\"trades\",\"adjusted\":\"raw\","
            "\"bars\":[],\"status\":{\"a\":1}}");
  EXPECT_EQ(bars_frame({"resumed", ""}, spec, none, "{}"),
            "{\"type\":\"resumed\",\"run\":7,\"offset\":\"18446744073709551615\",\"bars\":[],"
            "\"status\":{}}");
  EXPECT_EQ(status_frame("{}"), "{\"type\":\"status\",\"status\":{}}");
  EXPECT_EQ(restarted_frame("", 2), "{\"type\":\"restarted\",\"run\":2}");
  EXPECT_EQ(restarted_frame("a", 2), "{\"type\":\"restarted\",\"id\":\"a\",\"run\":2}");
  EXPECT_EQ(unsubscribed_frame("a"), "{\"type\":\"unsubscribed\",\"id\":\"a\"}");
  EXPECT_EQ(trades_frame({"trades", "t"}, {.run = 1, .offset = Offset(2), .limited = true}),
            "{\"type\":\"trades\",\"id\":\"t\",\"run\":1,\"offset\":\"2\",\"channel\":\"trades\","
            "\"skipped\":true,\"trades\":[]}");
  EXPECT_EQ(last_frame({"snapshot", "l"}, {.run = 1, .offset = Offset(2)}),
            "{\"type\":\"snapshot\",\"id\":\"l\",\"run\":1,\"offset\":\"2\",\"channel\":\"last\","
            "\"last\":[]}");
}

TEST(Json, BarsAreSeparated) {
  const std::string text = bars_frame(
      {"bars", ""}, {}, {.run = 1, .offset = Offset(2), .bars = {bar(0, "1", 1), bar(1, "2", 2)}});
  EXPECT_NE(text.find("\"offset\":\"1\"},{\"ts_open\":\"60000000000\""), text.npos) << text;
}

TEST(Json, TheStatusIsWhole) {
  pipeline::PlayStatus status;
  status.mode = "demo";
  status.state = pipeline::PlayState::kFailed;
  status.label = "recorded";
  status.date = "2013-10-07";
  status.title = "SPY \"and\" IBM";
  status.source = "somebody";
  status.licence = "Apache-2.0";
  status.speed = 2.5;
  status.zone = "America/New_York";
  status.market_time = Timestamp{1381152590000000000};
  status.start_time = Timestamp{1};
  status.end_time = Timestamp{2};
  status.run = 4;
  status.error = "disk\nfull";
  status.durable_offset = Offset(12345);
  status.tape = {.state = tape::TapeState::kDiskFull,
                 .message = "no \"room\"",
                 .bytes = 18446744073709551615u,
                 .free_bytes = 7,
                 .days_until_full = 1.25,
                 .segments = 3,
                 .unsealed = 1,
                 .damaged = {"p0/0.tape at byte 5: bad", "more"}};
  status.feeds = {{"replay", "playing", 123, 1, 2}, {"other", "ended", 0, 0, 0}};
  status.quarantine_total = 3;
  status.quarantine_reasons = {{"bad_price", 2}, {"bad_time", 1}};
  EXPECT_EQ(
      status_json(status, "0.1.0"),
      "{\"version\":\"0.1.0\",\"mode\":\"demo\",\"play\":{\"state\":\"failed\","
      "\"label\":\"recorded\",\"date\":\"2013-10-07\",\"title\":\"SPY \\\"and\\\" IBM\","
      "\"source\":\"somebody\",\"licence\":\"Apache-2.0\",\"speed\":2.5,\"paused\":false,"
      "\"market_time\":\"1381152590000000000\",\"start_time\":\"1\",\"end_time\":\"2\","
      "\"zone\":\"America/New_York\",\"run\":4,\"error\":\"disk\\u000afull\"},"
      "\"tape\":{\"durable_offset\":\"12345\",\"bytes\":\"18446744073709551615\","
      "\"state\":\"disk_full\",\"message\":\"no \\\"room\\\"\",\"free_bytes\":\"7\","
      "\"days_until_full\":1.2,\"segments\":\"3\",\"unsealed\":\"1\","
      "\"damaged\":[\"p0/0.tape at byte 5: bad\",\"more\"]},"
      "\"feeds\":[{\"id\":\"replay\",\"state\":\"playing\",\"events\":\"123\","
      "\"duplicates\":\"1\",\"refused\":\"2\"},{\"id\":\"other\",\"state\":\"ended\","
      "\"events\":\"0\",\"duplicates\":\"0\",\"refused\":\"0\"}],"
      "\"quarantine\":{\"total\":\"3\",\"reasons\":{\"bad_price\":\"2\",\"bad_time\":\"1\"}}}");
}

TEST(Json, AnEmptyStatusHasNoError) {
  const std::string text = status_json({}, "");
  EXPECT_NE(text.find("\"error\":null}"), text.npos);
  EXPECT_NE(text.find("\"feeds\":[],\"quarantine\":{\"total\":\"0\",\"reasons\":{}}}"), text.npos);
}

TEST(Json, QualityIsWhole) {
  pipeline::Quality quality{.duplicates = 1, .refused = 2, .late = 3, .unapplied = 4, .control = 5};
  quality.quarantine_total = 2;
  quality.quarantine_reasons = {{"bad_price", 2}};
  quality.quarantine_examples = {{"bad_price", "\"x\"", "line 7", std::string(300, 'y')}};
  quality.quarantine_file_problem = "full";
  EXPECT_EQ(quality_json(quality),
            "{\"duplicates\":\"1\",\"refused\":\"2\",\"late\":\"3\",\"unapplied\":\"4\","
            "\"marks\":\"5\",\"quarantine\":{\"total\":\"2\",\"reasons\":{\"bad_price\":\"2\"},"
            "\"file_problem\":\"full\",\"examples\":[{\"reason\":\"bad_price\",\"detail\":"
            "\"\\\"x\\\"\",\"where\":\"line 7\",\"text\":\"" +
                std::string(256, 'y') + "\"}]}}");
}

TEST(Json, ErrorsAreQuotedAndSayWhatToDo) {
  EXPECT_EQ(error_json("upgrade_required", "no \"x\""),
            "{\"error\":{\"code\":\"upgrade_required\",\"message\":\"no \\\"x\\\"\",\"action\":"
            "\"Connect with a WebSocket client.\"}}");
  EXPECT_EQ(error_frame("", {ErrorCode::kUnavailable, "m"}),
            "{\"type\":\"error\",\"id\":null,\"error\":{\"code\":\"unavailable\",\"message\":"
            "\"m\",\"action\":\"Ask again in a second.\"}}");
}

// TAPEDECK_WRITE_REFERENCE=1 writes it.
TEST(Errors, TheReferenceInTheDocsIsThis) {
  const std::string path = std::string(TD_SOURCE_DIR) + "/../../docs/reference/errors.md";
  if (std::getenv("TAPEDECK_WRITE_REFERENCE") != nullptr) std::ofstream(path) << errors_markdown();
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, errors_markdown())
      << "run TAPEDECK_WRITE_REFERENCE=1 td_api_test, and commit " << path;
}

TEST(Errors, EachIsThereOnceAndWhole) {
  for (const ErrorEntry& entry : error_table()) {
    EXPECT_EQ(find_error(entry.code), &entry) << entry.code;
    for (const std::string_view text : {entry.meaning, entry.cause, entry.action}) {
      EXPECT_TRUE(text.ends_with('.')) << entry.code << ": " << text;
    }
  }
  EXPECT_EQ(find_error("nothing"), nullptr);
}

TEST(Errors, EveryCodeOfOursIsAnAnswerWithAnAction) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kOverflow); ++code) {
    const auto name = to_string(static_cast<ErrorCode>(code));
    const ErrorEntry* entry = find_error(name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_GE(entry->http_status, 400) << name;
    EXPECT_FALSE(entry->action.empty()) << name;
  }
}

}  // namespace
}  // namespace tapedeck::api
