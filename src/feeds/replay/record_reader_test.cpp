#include "feeds/replay/record_reader.hpp"

#include <gtest/gtest.h>

namespace tapedeck::feeds::replay {
namespace {

// Gives `text` in pieces of `step` bytes, then `damage` if there is one.
class Pieces final : public ByteStream {
 public:
  Pieces(std::string text, std::size_t step, std::optional<Flaw> damage)
      : text_(std::move(text)), step_(step), damage_(std::move(damage)) {}
  std::expected<std::size_t, Flaw> read(char* out, std::size_t count) override {
    const std::size_t got = text_.copy(out, std::min(step_, count), at_);
    at_ += got;
    if (got == 0 && damage_) return std::unexpected(*damage_);
    return got;
  }

 private:
  std::string text_;
  std::size_t step_;
  std::optional<Flaw> damage_;
  std::size_t at_ = 0;
};

struct Seen {
  std::vector<std::string> texts;
  std::vector<std::uint64_t> numbers, lines;
  int too_long = 0;
  std::string reason;
};

Seen read_all(const std::string& text, Cut cut, std::size_t step, std::optional<Flaw> damage = {},
              std::size_t max = RecordReader::kRecordBytesMax) {
  RecordReader reader(std::make_unique<Pieces>(text, step, std::move(damage)), cut, max);
  Seen out;
  for (;;) {
    const Record record = reader.next();
    if (record.kind == Record::Kind::kEnd || record.kind == Record::Kind::kDamaged) {
      out.reason = reader.damage().reason;
      EXPECT_EQ(record.kind == Record::Kind::kDamaged, !out.reason.empty());
      EXPECT_EQ(reader.next().kind, record.kind);  // and it stays so
      return out;
    }
    out.too_long += record.kind == Record::Kind::kTooLong ? 1 : 0;
    out.texts.emplace_back(record.text);
    out.numbers.push_back(record.number);
    out.lines.push_back(record.line);
  }
}

using Texts = std::vector<std::string>;
using Numbers = std::vector<std::uint64_t>;
constexpr std::size_t kSteps[] = {1, 2, 3, 7, 100'000};

TEST(Lines, HoweverTheyArrive) {
  for (const std::size_t step : kSteps) {
    const auto seen = read_all(
        "\xef\xbb\xbf"
        "a\r\n\nbb\nccc",
        Cut::kLines, step);
    EXPECT_EQ(seen.texts, (Texts{"a", "", "bb", "ccc"}));
    EXPECT_EQ(seen.numbers, (Numbers{0, 1, 2, 3}));
    EXPECT_EQ(seen.lines, (Numbers{1, 2, 3, 4}));
    EXPECT_EQ(seen.reason, "");
    EXPECT_EQ(read_all("", Cut::kLines, step).texts, Texts{});
    EXPECT_EQ(read_all("\n", Cut::kLines, step).texts, Texts{""});
  }
}

TEST(Lines, WhatACutLeavesOfALineIsNotGiven) {
  for (const std::size_t step : kSteps) {
    const auto seen = read_all("a\nbb\ncc", Cut::kLines, step, Flaw{"truncated", ""});
    EXPECT_EQ(seen.texts, (Texts{"a", "bb"}));
    EXPECT_EQ(seen.reason, "truncated");
  }
}

TEST(Lines, OneThatIsTooLongIsSkipped) {
  for (const std::size_t step : kSteps) {
    const auto seen = read_all("a\n" + std::string(5000, 'x') + "\nb\n" + std::string(1001, 'y'),
                               Cut::kLines, step, {}, 1000);
    EXPECT_EQ(seen.texts, (Texts{"a", std::string(256, 'x'), "b", std::string(256, 'y')}));
    EXPECT_EQ(seen.too_long, 2);
    EXPECT_EQ(seen.lines, (Numbers{1, 2, 3, 4}));
  }
  EXPECT_EQ(read_all(std::string(1000, 'x') + "\n", Cut::kLines, 100, {}, 1000).too_long, 0);
}

TEST(JsonArray, HoweverItArrives) {
  for (const std::size_t step : kSteps) {
    const auto seen =
        read_all(" \n[ [1,[2]] ,\n {\"a\":\"],\\\"\"},\n\n3 , \"x,]\" ] \n", Cut::kJsonArray, step);
    EXPECT_EQ(seen.texts, (Texts{"[1,[2]]", "{\"a\":\"],\\\"\"}", "3", "\"x,]\""}));
    EXPECT_EQ(seen.numbers, (Numbers{0, 1, 2, 3}));
    EXPECT_EQ(seen.lines, (Numbers{2, 3, 5, 5}));
    EXPECT_EQ(seen.reason, "");
    EXPECT_EQ(read_all("[]", Cut::kJsonArray, step).texts, Texts{});
    EXPECT_EQ(read_all("[ \n ]\n", Cut::kJsonArray, step).texts, Texts{});
    EXPECT_EQ(read_all("[1,,2,]", Cut::kJsonArray, step).texts, (Texts{"1", "", "2", ""}));
  }
}

TEST(JsonArray, WhatIsNoArrayOrBreaksOff) {
  for (const std::size_t step : kSteps) {
    EXPECT_EQ(read_all("{\"a\":1}", Cut::kJsonArray, step).reason, "corrupt");
    EXPECT_EQ(read_all("  ", Cut::kJsonArray, step).reason, "truncated");
    const auto cut = read_all("[1,2,{\"a\":3", Cut::kJsonArray, step);
    EXPECT_EQ(cut.texts, (Texts{"1", "2"}));
    EXPECT_EQ(cut.reason, "truncated");
    EXPECT_EQ(read_all("[1]]", Cut::kJsonArray, step).reason, "corrupt");
    EXPECT_EQ(read_all("[1] [2]", Cut::kJsonArray, step).reason, "corrupt");
    EXPECT_EQ(read_all("[1,2]", Cut::kJsonArray, step, Flaw{"corrupt", ""}).texts,
              (Texts{"1", "2"}));
  }
}

TEST(JsonArray, AnElementThatIsTooLongIsSkipped) {
  for (const std::size_t step : kSteps) {
    const auto seen =
        read_all("[1,\n\"" + std::string(5000, 'x') + "\n,\",2]", Cut::kJsonArray, step, {}, 1000);
    EXPECT_EQ(seen.too_long, 1);
    EXPECT_EQ(seen.texts.size(), 3u);
    EXPECT_EQ(seen.texts.back(), "2");
    EXPECT_EQ(seen.reason, "");
  }
}

}  // namespace
}  // namespace tapedeck::feeds::replay
