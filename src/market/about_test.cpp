#include "market/about.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tapedeck::market {
namespace {

TEST(SchemaDrift, IsReadAsItWasWritten) {
  for (const SchemaDrift& drift : {SchemaDrift{"X", false}, SchemaDrift{"trade_id", true},
                                   SchemaDrift{"data.v-2", false}, SchemaDrift{"", true}}) {
    EXPECT_EQ(parse_schema_drift(to_json(drift)), drift);
  }
  EXPECT_EQ(to_json({"X", false}), R"({"field":"X","is":"unknown"})");
}

TEST(SchemaDrift, AVenuesNameIsNoWayOutOfTheText) {
  const std::string text = to_json({R"(a","is":"missing"} \")"
                                    "\x01\xff",
                                    false});
  EXPECT_EQ(text, R"({"field":"a???is???missing???????","is":"unknown"})");
  EXPECT_EQ(parse_schema_drift(to_json({std::string(1000, 'f'), false}))->field,
            std::string(64, 'f'));
}

TEST(SchemaDrift, OtherRecordsAreNone) {
  for (const std::string_view text : {"", "{}", R"({"field":"X"})", R"({"field":"X","is":"new"})",
                                      R"({"symbol":"X"})", R"({"field":"X","is":"unknown")"}) {
    EXPECT_EQ(parse_schema_drift(text), std::nullopt) << text;
  }
}

TEST(About, HasTwoChannels) {
  EXPECT_TRUE(is_about({"v", "instrument", "X"}));
  EXPECT_TRUE(is_about({"v", "schema", "X"}));
  EXPECT_FALSE(is_about({"v", "trade", "instrument"}));
}

}  // namespace
}  // namespace tapedeck::market
