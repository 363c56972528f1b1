#include "market/decimal.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/rng.hpp"

namespace tapedeck::market {
namespace {

Decimal dec(std::string_view text) {
  const auto parsed = parse_decimal(text);
  EXPECT_TRUE(parsed) << text << ": " << parsed.error().message;
  return parsed.value_or(Decimal{});
}
std::string canonical(std::string_view text) { return to_string(dec(text)); }
ErrorCode refused(const std::string& text) {
  const auto parsed = parse_decimal(text);
  EXPECT_FALSE(parsed) << text;
  return parsed ? ErrorCode{} : parsed.error().code;
}

TEST(Decimal, CanonicalForms) {
  EXPECT_EQ(canonical("167.42"), "167.42");
  EXPECT_EQ(canonical("167.4200"), "167.42");
  EXPECT_EQ(canonical("00167.42"), "167.42");
  EXPECT_EQ(canonical("12000"), "12000");
  EXPECT_EQ(canonical("12000.000"), "12000");
  EXPECT_EQ(canonical("+1"), "1");
  EXPECT_EQ(canonical(".5"), "0.5");
  EXPECT_EQ(canonical("1."), "1");
  EXPECT_EQ(canonical("-12.50"), "-12.5");
  EXPECT_EQ(canonical("-.5"), "-0.5");
  EXPECT_EQ(canonical("1e-7"), "0.0000001");
  EXPECT_EQ(canonical("1.5E3"), "1500");
  EXPECT_EQ(canonical("1.5e+3"), "1500");
  EXPECT_EQ(canonical("15e-1"), "1.5");
  EXPECT_EQ(canonical("1e18"), "1000000000000000000");
  EXPECT_EQ(canonical("1e-18"), "0.000000000000000001");
  EXPECT_EQ(canonical("0.1e-17"), "0.000000000000000001");
}

TEST(Decimal, ZeroIsOne) {
  for (const std::string_view zero : {"0", "-0", "+0", "0.000", "-0.0", "0e999", "0e-999", ".0"}) {
    EXPECT_EQ(dec(zero), Decimal{}) << zero;
    EXPECT_EQ(canonical(zero), "0") << zero;
  }
}

TEST(Decimal, LongZeros) {
  const std::string zeros(400, '0');
  EXPECT_EQ(canonical(zeros + "1.5" + zeros), "1.5");
  EXPECT_EQ(canonical("1" + zeros + "e-400"), "1");
  EXPECT_EQ(canonical("0." + zeros + "1e401"), "1");
  EXPECT_EQ(canonical(zeros), "0");
  EXPECT_EQ(canonical("0." + zeros), "0");
}

TEST(Decimal, TheEndsOfItsRange) {
  EXPECT_EQ(canonical("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(canonical("-9223372036854775807"), "-9223372036854775807");
  EXPECT_EQ(canonical("9.223372036854775807"), "9.223372036854775807");
  EXPECT_EQ(refused("9223372036854775808"), ErrorCode::kOverflow);
  EXPECT_EQ(refused("-9223372036854775808"), ErrorCode::kOverflow);
  EXPECT_EQ(refused("9.223372036854775808"), ErrorCode::kOverflow);
  EXPECT_EQ(refused("92233720368547758070"), ErrorCode::kOverflow);
  EXPECT_EQ(refused("0.1e-18"), ErrorCode::kOverflow);
  EXPECT_EQ(refused("1.0000000000000000001"), ErrorCode::kOverflow);
  EXPECT_EQ(refused("1e19"), ErrorCode::kOverflow);
  EXPECT_EQ(refused("1e400"), ErrorCode::kOverflow);
  EXPECT_EQ(refused("1e-400"), ErrorCode::kOverflow);
  EXPECT_EQ(refused("1e99999999999999999999"), ErrorCode::kOverflow);
  EXPECT_EQ(refused(std::string(100'000, '9')), ErrorCode::kOverflow);
}

TEST(Decimal, WhatIsNoNumber) {
  for (const std::string text :
       {"",     "-",  "+",  ".",   "-.",  "e5",    ".e5",   "1e",  "1e+", "1e-",   "1.2.3",   "1,2",
        "0x10", "1 ", " 1", "--1", "+-1", "1e5.0", "1e5e5", "NaN", "inf", "1_000", "\xC2\xB9"}) {
    EXPECT_EQ(refused(text), ErrorCode::kMalformed) << text;
  }
  EXPECT_EQ(refused(std::string("1\0", 2)), ErrorCode::kMalformed);
  // Too long and then no number after all.
  EXPECT_EQ(refused(std::string(50, '9') + "x"), ErrorCode::kMalformed);
}

TEST(Decimal, ErrorsQuoteNoMoreThanALine) {
  EXPECT_LT(parse_decimal(std::string(100'000, 'x')).error().message.size(), 200u);
}

TEST(Decimal, Compares) {
  EXPECT_LT(dec("1.5"), dec("1.51"));
  EXPECT_LT(dec("-2"), dec("-1.999999999999999999"));
  EXPECT_GT(dec("9223372036854775807"), dec("0.000000000000000001"));
  EXPECT_EQ(dec("1.50"), dec("1.5"));
  EXPECT_EQ(dec("2") <=> dec("2.0"), std::strong_ordering::equal);
}

TEST(Decimal, MakesCanonical) {
  EXPECT_EQ(Decimal::make(1500, 3), (Decimal{15, 1}));
  EXPECT_EQ(Decimal::make(0, 18), Decimal{});
  EXPECT_EQ(Decimal::make(-10, 1), (Decimal{-1, 0}));
  EXPECT_EQ(to_string(Decimal::make(std::numeric_limits<std::int64_t>::min(), 18)),
            "-9.223372036854775808");
  EXPECT_DEATH(Decimal::make(1, 19), "scale");
  EXPECT_DEATH(Decimal::make(1, -1), "scale");
}

TEST(Decimal, RoundTripsThroughText) {
  Rng rng(11);
  for (int i = 0; i < 5000; ++i) {
    const auto mantissa = static_cast<std::int64_t>(rng.next() >> rng.below(64));
    if (mantissa == std::numeric_limits<std::int64_t>::min()) continue;  // not parsed, by contract
    const Decimal value = Decimal::make(mantissa, static_cast<int>(rng.below(19)));
    ASSERT_EQ(dec(to_string(value)), value);
  }
}

TEST(Decimal, AsADoubleForDrawing) {
  EXPECT_DOUBLE_EQ(to_double(dec("167.42")), 167.42);
  EXPECT_DOUBLE_EQ(to_double(dec("-0.5")), -0.5);
}

// ---- Sums

DecimalSum sum_of(const std::vector<std::string>& texts) {
  DecimalSum sum;
  for (const std::string& text : texts) sum.add(dec(text));
  return sum;
}

TEST(DecimalSum, AddsExactly) {
  EXPECT_EQ(DecimalSum{}.to_string(), "0");
  EXPECT_EQ(sum_of({"0.1", "0.2"}).to_string(), "0.3");
  EXPECT_EQ(sum_of({"0.5", "0.5"}).to_string(), "1");
  EXPECT_EQ(sum_of({"9223372036854775807", "1"}).to_string(), "9223372036854775808");
  EXPECT_EQ(sum_of({"1", "0.000000000000000001"}).to_string(), "1.000000000000000001");
  EXPECT_EQ(sum_of({"1.5", "-1.5"}).to_string(), "0");
  EXPECT_EQ(sum_of({"-1", "0.5"}).to_string(), "-0.5");
}

TEST(DecimalSum, AddsProducts) {
  DecimalSum sum;
  sum.add_product(dec("167.42"), dec("100"));
  sum.add_product(dec("0.01"), dec("0.5"));
  EXPECT_EQ(sum.to_string(), "16742.005");
  DecimalSum smallest;
  smallest.add_product(dec("1e-18"), dec("1e-18"));
  EXPECT_EQ(smallest.to_string(), "0.000000000000000000000000000000000001");
  DecimalSum largest;
  largest.add_product(dec("9223372036854775807"), dec("9223372036854775807"));
  EXPECT_EQ(largest.to_string(), "85070591730234615847396907784232501249");
  EXPECT_FALSE(largest.overflowed());
}

TEST(DecimalSum, EqualAsNumbers) {
  EXPECT_EQ(sum_of({"0.5", "0.5"}), sum_of({"1"}));
  EXPECT_FALSE(sum_of({"1"}) == sum_of({"2"}));
  DecimalSum merged = sum_of({"1.25"});
  merged.add(sum_of({"2", "0.75"}));
  EXPECT_EQ(merged, sum_of({"4"}));
}

TEST(DecimalSum, TellsOfOverflow) {
  const Decimal most = dec("9223372036854775807");
  DecimalSum sum;
  sum.add_product(most, most);
  EXPECT_FALSE(sum.overflowed());
  sum.add_product(most, most);  // 1.7014...e38 is below 2^127 by a hair
  EXPECT_FALSE(sum.overflowed());
  sum.add_product(most, most);
  EXPECT_TRUE(sum.overflowed());
  // By aligning the scales, on either side, and by merging.
  DecimalSum fine;
  fine.add_product(dec("1e-18"), dec("1e-18"));
  DecimalSum left = fine;
  left.add(most);
  EXPECT_TRUE(left.overflowed());
  DecimalSum right;
  right.add(most);
  right.add(fine);
  EXPECT_TRUE(right.overflowed());
  DecimalSum merged;
  merged.add(right);
  EXPECT_TRUE(merged.overflowed());
  // The value is lost: it is never shown as a number.
  EXPECT_EQ(merged.to_string(), "overflow");
  EXPECT_EQ(merged, sum);
  EXPECT_TRUE(std::isnan(merged.to_double()));
  EXPECT_EQ(parse_decimal_sum("overflow").value(), merged);
}

TEST(DecimalSum, OrderDoesNotMatter) {
  Rng rng(5);
  std::vector<std::pair<Decimal, Decimal>> trades;
  for (int i = 0; i < 200; ++i) {
    trades.emplace_back(Decimal::make(static_cast<std::int64_t>(rng.below(1'000'000'000)),
                                      static_cast<int>(rng.below(9))),
                        Decimal::make(static_cast<std::int64_t>(rng.below(1'000'000)),
                                      static_cast<int>(rng.below(9))));
  }
  std::string expected;
  for (int round = 0; round < 20; ++round) {
    // In parts that are merged, as bars are.
    std::vector<DecimalSum> parts(1 + rng.below(4));
    for (const auto& [price, size] : trades) {
      parts[rng.below(parts.size())].add_product(price, size);
    }
    DecimalSum total;
    for (const DecimalSum& part : parts) total.add(part);
    if (expected.empty()) expected = total.to_string();
    ASSERT_EQ(total.to_string(), expected);
    for (std::size_t i = trades.size() - 1; i > 0; --i) {
      std::swap(trades[i], trades[rng.below(i + 1)]);
    }
  }
}

TEST(DecimalSum, RoundTripsThroughText) {
  Rng rng(6);
  for (int i = 0; i < 2000; ++i) {
    DecimalSum sum;
    for (std::uint64_t n = rng.below(4); n > 0; --n) {
      const auto part = [&] {
        return Decimal::make(static_cast<std::int64_t>(rng.next() >> (1 + rng.below(60))),
                             static_cast<int>(rng.below(19)));
      };
      sum.add_product(part(), part());
    }
    if (sum.overflowed()) continue;
    const auto read = parse_decimal_sum(sum.to_string());
    ASSERT_TRUE(read) << sum.to_string();
    ASSERT_EQ(*read, sum) << sum.to_string();
    ASSERT_EQ(read->to_string(), sum.to_string());
  }
  EXPECT_EQ(parse_decimal_sum("-12.5").value().to_string(), "-12.5");
}

TEST(DecimalSum, ReadsTheLargestThatItWrites) {
  const std::string most = "170141183460469231731687303715884105727";  // 2^127 - 1
  EXPECT_EQ(parse_decimal_sum(most).value().to_string(), most);
  EXPECT_EQ(parse_decimal_sum("-" + most).value().to_string(), "-" + most);
  for (const std::string text :
       {"170141183460469231731687303715884105728", "340282366920938463463374607431768211456",
        "999999999999999999999999999999999999999", "1e39", "1e-37"}) {
    const auto read = parse_decimal_sum(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::kOverflow);
  }
  EXPECT_EQ(parse_decimal_sum("1.x").error().code, ErrorCode::kMalformed);
}

}  // namespace
}  // namespace tapedeck::market
