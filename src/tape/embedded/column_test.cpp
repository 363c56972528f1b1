#include "tape/embedded/column.hpp"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/rng.hpp"

namespace tapedeck::tape::embedded {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

std::string written(std::span<const std::uint64_t> values) {
  ColumnWriter writer;
  writer.add(values);
  std::string out;
  writer.finish(out);
  return out;
}

// The values of a column of `count`, where it holds just those and nothing follows.
std::optional<std::vector<std::uint64_t>> read(std::string_view bytes, std::uint32_t count) {
  WireReader reader(bytes);
  ColumnReader column(reader, count);
  std::vector<std::uint64_t> values(count);
  column.read(values);
  if (!reader.ok() || !reader.at_end() || !column.complete()) return std::nullopt;
  return values;
}

Form form_of(std::string_view column) { return static_cast<Form>(column.front()); }

// A column in the form `zstd` whose frame holds `raw`, and that claims `claimed` bytes of it.
std::string zstd_column(std::string_view raw, std::uint64_t claimed) {
  std::string frame(ZSTD_compressBound(raw.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), raw.data(), raw.size(), 1));
  std::string out(1, static_cast<char>(Form::kZstd));
  put_varint(out, claimed);
  put_text(out, frame);
  return out;
}

TEST(Column, OneValueForAllIsWrittenOnce) {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{300}, kMost}) {
    const std::vector<std::uint64_t> values(70'000, value);
    const std::string bytes = written(values);
    EXPECT_EQ(form_of(bytes), Form::kConstant);
    EXPECT_LE(bytes.size(), 11u);
    EXPECT_EQ(read(bytes, 70'000), values);
  }
  EXPECT_EQ(written(std::vector<std::uint64_t>(9, 300)), std::string("\x00\xac\x02", 3));
}

TEST(Column, FewValuesAreWrittenAsTheyAre) {
  const std::vector<std::uint64_t> values{1, 300, 0};
  EXPECT_EQ(written(values), std::string("\x01\x04\x01\xac\x02\x00", 6));
  EXPECT_EQ(read(written(values), 3), values);
}

TEST(Column, ManyValuesAreCompressed) {
  std::vector<std::uint64_t> values(5'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 7;
  const std::string bytes = written(values);
  EXPECT_EQ(form_of(bytes), Form::kZstd);
  EXPECT_LT(bytes.size(), 500u);
  EXPECT_EQ(read(bytes, 5'000), values);
}

TEST(Column, WhatDoesNotGetSmallerIsNotCompressed) {
  Rng rng(1);
  std::vector<std::uint64_t> values(6);
  for (std::uint64_t& value : values) value = rng.next();
  const std::string bytes = written(values);
  EXPECT_GT(bytes.size(), 40u);
  EXPECT_EQ(form_of(bytes), Form::kPlain);
  EXPECT_EQ(read(bytes, 6), values);
}

// Lengths of every varint, alone and among short ones, at every place of the groups of eight.
TEST(Column, KeepsEveryValueWhateverPiecesItComesIn) {
  Rng rng(2);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::uint64_t> values(1 + rng.below(200));
    const std::uint64_t rare = 1 + rng.below(20);
    for (std::uint64_t& value : values) {
      value = rng.below(rare) == 0 ? rng.next() >> rng.below(64) : rng.below(128);
      if (rng.below(40) == 0) value = kMost;
    }
    if (rng.below(4) == 0) std::ranges::fill(std::span(values).first(values.size() / 2), 5);
    ColumnWriter writer;
    std::span<const std::uint64_t> rest(values);
    while (!rest.empty()) {
      const std::size_t piece = rng.below(rest.size() + 1);  // also none
      writer.add(rest.first(piece));
      rest = rest.subspan(piece);
    }
    std::string bytes;
    writer.finish(bytes);
    EXPECT_EQ(bytes, written(values)) << round;
    WireReader reader(bytes);
    ColumnReader column(reader, static_cast<std::uint32_t>(values.size()));
    std::vector<std::uint64_t> out(values.size());
    std::span<std::uint64_t> into(out);
    while (!into.empty()) {
      const std::size_t piece = 1 + rng.below(into.size());
      EXPECT_FALSE(column.complete());
      column.read(into.first(piece));
      into = into.subspan(piece);
    }
    EXPECT_TRUE(column.complete());
    EXPECT_EQ(out, values) << round;
  }
}

TEST(Column, AWriterBeginsAnew) {
  ColumnWriter writer;
  writer.add(std::vector<std::uint64_t>{1, 2, 3});
  std::string first;
  writer.finish(first);
  writer.add(std::vector<std::uint64_t>{9, 9});
  std::string second;
  writer.finish(second);
  EXPECT_EQ(second, written(std::vector<std::uint64_t>{9, 9}));
}

TEST(Column, AnotherNumberOfValuesIsRefused) {
  const std::vector<std::uint64_t> plain{1, 300, 0};
  const std::vector<std::uint64_t> many = [] {
    std::vector<std::uint64_t> values(500);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 3;
    return values;
  }();
  EXPECT_FALSE(read(written(plain), 2));
  EXPECT_FALSE(read(written(plain), 4));
  EXPECT_FALSE(read(written(plain), 0));
  ASSERT_EQ(form_of(written(many)), Form::kZstd);
  EXPECT_FALSE(read(written(many), 499));
  EXPECT_FALSE(read(written(many), 501));
}

TEST(Column, CutAnywhereItIsRefused) {
  std::vector<std::uint64_t> mixed(200);
  for (std::size_t i = 0; i < mixed.size(); ++i) mixed[i] = i % 5 == 0 ? i << 20 : i % 3;
  for (const std::vector<std::uint64_t>& values :
       {std::vector<std::uint64_t>{300, 300}, std::vector<std::uint64_t>{1, 300, 0}, mixed}) {
    const std::string bytes = written(values);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      EXPECT_FALSE(read(bytes.substr(0, cut), static_cast<std::uint32_t>(values.size()))) << cut;
    }
  }
}

TEST(Column, VarintsThatAreCutOrTooLongAreRefused) {
  const auto plain = [](std::string_view varints) {
    std::string out(1, static_cast<char>(Form::kPlain));
    put_text(out, varints);
    return out;
  };
  EXPECT_TRUE(read(plain("\x01\x02"), 2));
  EXPECT_FALSE(read(plain("\x01\x82"), 2)) << "the last goes on beyond the end";
  EXPECT_FALSE(read(plain("\x81\x82\x83"), 2));
  EXPECT_TRUE(read(plain("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 1));
  EXPECT_FALSE(read(plain("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), 1)) << "beyond 64 bits";
  EXPECT_FALSE(read(plain("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01"), 2)) << "11 bytes";
}

TEST(Column, FormsThatDoNotExistAreRefused) {
  EXPECT_FALSE(read(std::string("\x03\x00", 2), 1));
  EXPECT_FALSE(read("", 1));
}

// What a zstd frame says of itself is not believed.
TEST(Column, AFrameThatHoldsAnotherSizeThanItClaimsIsRefused) {
  const std::string raw(1'000, '\x01');
  EXPECT_TRUE(read(zstd_column(raw, 1'000), 1'000));
  EXPECT_FALSE(read(zstd_column(raw, 999), 999)) << "it holds more";
  EXPECT_FALSE(read(zstd_column(raw, 1'001), 1'001)) << "it holds less";
  // More than ten bytes a value: refused before anything is decompressed.
  std::string zeros;
  zeros.resize(100'000'000);
  EXPECT_FALSE(read(zstd_column(zeros, zeros.size()), 1'000));
  EXPECT_FALSE(read(zstd_column(raw, kMost), 1'000));
  std::string broken = zstd_column(raw, 1'000);
  broken.back() = static_cast<char>(~broken.back());
  broken[4] = static_cast<char>(~broken[4]);
  EXPECT_FALSE(read(broken, 1'000));
}

TEST(Compressed, BytesComeBack) {
  Rng rng(3);
  std::string random(5'000, '\0');
  for (char& c : random) c = static_cast<char>(rng.next());
  for (const std::string& bytes : {std::string(), std::string(31, 'x'), std::string(32, 'x'),
                                   std::string(1 << 20, 'x'), random}) {
    std::string out;
    put_compressed(out, bytes);
    EXPECT_LE(out.size(), bytes.size() + 12);
    WireReader reader(out);
    EXPECT_EQ(get_compressed(reader, bytes.size()), bytes);
    EXPECT_TRUE(reader.ok() && reader.at_end());
    for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, out.size() / 2, out.size() - 1}) {
      WireReader torn(std::string_view(out).substr(0, cut));
      get_compressed(torn, bytes.size());
      EXPECT_FALSE(torn.ok()) << cut;
    }
  }
}

TEST(Compressed, NoMoreThanIsAllowedComesOut) {
  for (const std::string& bytes : {std::string("abc"), std::string(1 << 20, 'x')}) {
    std::string out;
    put_compressed(out, bytes);
    WireReader reader(out);
    EXPECT_EQ(get_compressed(reader, bytes.size() - 1), "");
    EXPECT_FALSE(reader.ok());
  }
}

TEST(Compressed, AFrameThatHoldsAnotherSizeThanItClaimsIsRefused) {
  const std::string raw(1'000, 'x');
  for (const std::uint64_t claimed : {999u, 1'000u, 1'001u}) {
    const std::string bytes = zstd_column(raw, claimed);  // the same form
    WireReader reader(bytes);
    EXPECT_EQ(get_compressed(reader, 5'000), claimed == 1'000 ? raw : "") << claimed;
    EXPECT_EQ(reader.ok(), claimed == 1'000);
  }
}

// A few bytes cannot ask for much memory: zstd makes 128 KiB of four bytes at most.
TEST(Compressed, WhatNoFrameOfItsLengthCanHoldIsRefusedUnseen) {
  std::string out(1, static_cast<char>(Form::kZstd));
  put_varint(out, 60u << 20);
  put_text(out, "only a few bytes");
  WireReader reader(out);
  EXPECT_EQ(get_compressed(reader, 64u << 20), "");
  EXPECT_FALSE(reader.ok());
  // What is there in truth is not refused, however well it was compressed.
  std::string zeros;
  put_compressed(zeros, std::string(64u << 20, '\0'));
  WireReader whole(zeros);
  EXPECT_EQ(get_compressed(whole, 64u << 20).size(), 64u << 20);
}

}  // namespace
}  // namespace tapedeck::tape::embedded
