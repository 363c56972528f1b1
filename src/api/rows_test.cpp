#include "api/rows.hpp"

#include <gtest/gtest.h>

namespace tapedeck::api {
namespace {

constexpr Timestamp kOpen{1'381'152'600'123'456'789};  // 2013-10-07T13:30:00.123456789Z

std::string row_of(const Form& form) {
  RowWriter rows(form, {"t", "price", "n", "small", "ok", "text", "list", "none"});
  const std::vector<std::string> list{"a", "b\"c"};
  for (int i = 0; i < 2; ++i) {
    rows.instant(kOpen);
    rows.decimal("-0.50");
    rows.count(18446744073709551615u);
    rows.small(3);
    rows.flag(i == 0);
    rows.text("x,\"y\"");
    rows.list(list);
    rows.absent();
  }
  return std::move(rows).finish();
}

TEST(Rows, JsonIsExactWhateverReadsIt) {
  EXPECT_EQ(row_of({}),
            R"([{"t":"1381152600123456789","price":"-0.50","n":"18446744073709551615","small":3,)"
            R"("ok":true,"text":"x,\"y\"","list":["a","b\"c"],"none":null},)"
            R"({"t":"1381152600123456789","price":"-0.50","n":"18446744073709551615","small":3,)"
            R"("ok":false,"text":"x,\"y\"","list":["a","b\"c"],"none":null}])");
}

TEST(Rows, NdjsonAndNumbers) {
  const std::string text = row_of(
      {.format = Format::kNdjson, .time = TimeForm::kMilliseconds, .numbers = NumberForm::kNumber});
  EXPECT_EQ(text.substr(0, text.find('\n') + 1),
            R"({"t":1381152600123,"price":-0.50,"n":18446744073709551615,"small":3,"ok":true,)"
            R"("text":"x,\"y\"","list":["a","b\"c"],"none":null})"
            "\n");
}

TEST(Rows, CsvQuotesWhatItMust) {
  EXPECT_EQ(row_of({.format = Format::kCsv, .time = TimeForm::kIso, .zone = "America/New_York"}),
            "t,price,n,small,ok,text,list,none\n"
            "2013-10-07T09:30:00.123456789-04:00,-0.50,18446744073709551615,3,true,"
            "\"x,\"\"y\"\"\",\"a;b\"\"c\",\n"
            "2013-10-07T09:30:00.123456789-04:00,-0.50,18446744073709551615,3,false,"
            "\"x,\"\"y\"\"\",\"a;b\"\"c\",\n");
}

TEST(Rows, NoRowsAreStillATable) {
  EXPECT_EQ(RowWriter({}, {"a"}).finish(), "[]");
  EXPECT_EQ(RowWriter({.format = Format::kNdjson}, {"a"}).finish(), "");
  EXPECT_EQ(RowWriter({.format = Format::kCsv}, {"a", "b,c"}).finish(), "a,\"b,c\"\n");
}

TEST(Rows, TheZoneChangesItsClocksBetweenTwoRows) {
  RowWriter rows({.format = Format::kCsv, .time = TimeForm::kIso, .zone = "America/New_York"},
                 {"t"});
  const Timestamp change{1'383'458'400'000'000'000};  // 2013-11-03T06:00:00Z: clocks go back
  rows.instant(change - nanoseconds(1));
  rows.instant(change);
  rows.instant(Timestamp{9'223'372'036'854'775'807});
  EXPECT_EQ(std::move(rows).finish(),
            "t\n2013-11-03T01:59:59.999999999-04:00\n2013-11-03T01:00:00.000000000-05:00\n"
            "2262-04-11T23:47:16.854775807Z\n");
}

TEST(Rows, WhatHasNoNumberIsAbsent) {
  RowWriter rows({.numbers = NumberForm::kNumber}, {"a", "b", "c", "d"});
  rows.decimal("overflow");
  rows.decimal("");
  rows.instant(std::nullopt);
  rows.real(1.0 / 0.0);
  EXPECT_EQ(std::move(rows).finish(), R"([{"a":null,"b":null,"c":null,"d":null}])");
}

}  // namespace
}  // namespace tapedeck::api
