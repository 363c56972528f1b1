#include "tape/embedded/block.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "base/rng.hpp"
#include "base/wire.hpp"
#include "tape/embedded/rows.hpp"

namespace tapedeck::tape::embedded {
namespace {

using market::Decimal;
using market::StreamKind;
using market::Trade;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

class BlockTest : public testing::Test {
 protected:
  SeriesId series(const std::string& instrument) {
    return catalog_.intern(market::Series{.key = {"venue", "trade", instrument}});
  }
  OriginId origin(const std::string& key) {
    return catalog_.intern(
        market::Origin{.kind = market::OriginKind::kFile, .key = key, .first = {7}});
  }

  // Encodes, and decodes with a catalog of its own, as another process would.
  std::vector<Trade> round_trip(const std::vector<Trade>& trades) {
    SegmentDictionary dictionary(catalog_);
    const std::string payload = encode_rows(std::span<const Trade>(trades), dictionary).payload;
    SegmentIds ids;
    EXPECT_TRUE(decode_dictionary(dictionary.take_new_entries(), catalog_, ids));
    std::vector<Trade> out;
    const Status decoded =
        decode_rows(payload, static_cast<std::uint32_t>(trades.size()), ids, out);
    EXPECT_TRUE(decoded) << decoded.error().message;
    return out;
  }

  market::Catalog catalog_;
};

Trade a_trade(SeriesId series, OriginId origin) {
  return {.series = series,
          .side = market::Side::kSell,
          .conditions = 0x8000'0000'0000'0021u,
          .ts_event = {1'381'152'600'000'000'000},
          .ts_recv = {1'381'152'600'123'456'789},
          .price = Decimal::make(16742, 2),
          .size = Decimal::make(100, 0),
          .identity = {origin, 17, 3},
          .venue_sequence = 99};
}

TEST_F(BlockTest, KeepsEveryFieldOfATrade) {
  const std::vector<Trade> trades{a_trade(series("SPY"), origin("aa"))};
  EXPECT_EQ(round_trip(trades), trades);
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 3) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

// The example of FORMAT.md: if this changes, the format has a new version.
TEST_F(BlockTest, WritesTheBytesOfTheFormatsExample) {
  const SeriesId series = catalog_.intern(market::Series{.key = {"v", "trade", "S"}});
  const OriginId venue = catalog_.intern(market::Origin{});
  const std::vector<Trade> trades{{.series = series,
                                   .ts_event = {1000},
                                   .ts_recv = {2000},
                                   .price = Decimal::make(10005, 2),
                                   .size = Decimal::make(1, 0),
                                   .identity = {venue, 7, 0}}};
  SegmentDictionary dictionary(catalog_);
  const std::string payload = encode_rows(std::span<const Trade>(trades), dictionary).payload;
  EXPECT_EQ(dictionary.take_new_entries(),
            from_hex("01 01 76 05 74 72 61 64 65 01 53 00 04 32 34 78 37 00 "
                     "02 00 00 00 00 00 00 00 00 00 00 00"));
  EXPECT_EQ(payload,
            from_hex("01 00 02 00 01 00 01 00 00 00 00 00 00 00 00 03 00 03 00 00 00 00 02 "
                     "00 02 00 00 00 00 00 0e 00 00 00 0d 00 aa 9c 01 00 01 00 00"));
}

TEST_F(BlockTest, KeepsExtremes) {
  Trade most = a_trade(series("SPY"), origin("aa"));
  most.price = {kMax, 18};
  most.size = {kMin + 1, 0};
  most.ts_event = {kMax};
  most.ts_recv = {kMin};
  most.identity.seq = std::numeric_limits<std::uint64_t>::max();
  most.identity.position = std::numeric_limits<std::uint64_t>::max();
  most.venue_sequence = 0;
  Trade least = most;
  least.price = {kMin, 0};
  least.ts_event = {kMin};
  least.ts_recv = {kMax};
  least.identity.seq = 0;
  least.venue_sequence = std::numeric_limits<std::uint64_t>::max();
  const std::vector<Trade> trades{most, least, most, least, least};
  EXPECT_EQ(round_trip(trades), trades);
}

TEST_F(BlockTest, AValueThatFitsNoCommonScaleChangesNothingForTheOthers) {
  const SeriesId spy = series("SPY");
  const OriginId file = origin("aa");
  std::vector<Trade> trades(3, a_trade(spy, file));
  trades[1].price = {kMax, 18};  // 9.22...: SPY's other prices do not fit at scale 18
  trades[2].price = Decimal::make(16743, 2);
  EXPECT_EQ(round_trip(trades), trades);
}

TEST_F(BlockTest, KeepsRandomTradesOfManySeries) {
  Rng rng(42);
  std::vector<Trade> trades;
  for (int i = 0; i < 5000; ++i) {
    Trade trade = a_trade(series("S" + std::to_string(rng.below(40))),
                          origin("file" + std::to_string(rng.below(3))));
    trade.side = static_cast<market::Side>(rng.below(3));
    trade.conditions = rng.below(4) == 0 ? rng.next() : 1u << rng.below(8);
    trade.ts_event.ns += static_cast<std::int64_t>(rng.below(1'000'000));
    trade.ts_recv.ns -= static_cast<std::int64_t>(rng.below(1'000'000));
    trade.price = Decimal::make(static_cast<std::int64_t>(rng.below(1'000'000)),
                                static_cast<int>(rng.below(9)));
    trade.size = Decimal::make(static_cast<std::int64_t>(rng.next() >> (1 + rng.below(60))),
                               static_cast<int>(rng.below(19)));
    trade.identity.seq = rng.next() >> rng.below(60);
    trade.identity.position = rng.below(5);
    trade.venue_sequence = rng.next() >> rng.below(60);
    trades.push_back(trade);
  }
  EXPECT_EQ(round_trip(trades), trades);
}

TEST_F(BlockTest, KeepsMarks) {
  const std::vector<market::FeedMark> marks{
      {.feed = "replay", .state = market::FeedState::kEnded, .ts_recv = {5}},
      {.feed = "", .state = market::FeedState::kDown, .ts_recv = {-5}}};
  std::vector<market::FeedMark> out;
  SegmentDictionary dictionary(catalog_);
  const std::string payload =
      encode_rows(std::span<const market::FeedMark>(marks), dictionary).payload;
  ASSERT_TRUE(decode_rows(payload, 2, {}, out));
  EXPECT_EQ(out, marks);
}

TEST_F(BlockTest, ADictionaryNamesEachEntryOnce) {
  SegmentDictionary dictionary(catalog_);
  EXPECT_EQ(dictionary.local(series("A")), 0u);
  EXPECT_EQ(dictionary.local(series("B")), 1u);
  EXPECT_EQ(dictionary.local(series("A")), 0u);
  SegmentIds ids;
  ASSERT_TRUE(decode_dictionary(dictionary.take_new_entries(), catalog_, ids));
  EXPECT_EQ(ids.series.size(), 2u);
  EXPECT_EQ(dictionary.take_new_entries(), "");
  SegmentDictionary reopened(catalog_);
  reopened.restore(ids);
  EXPECT_EQ(reopened.local(series("B")), 1u);
  EXPECT_EQ(reopened.take_new_entries(), "");
  EXPECT_EQ(reopened.local(series("C")), 2u);
}

// Damage below the checksum must still never crash or give a wrong length; with it, it is refused.
TEST_F(BlockTest, ACutOrFlippedPayloadIsRefusedOrDecodes) {
  std::vector<Trade> trades;
  for (int i = 0; i < 20; ++i) {
    trades.push_back(a_trade(series("S" + std::to_string(i % 3)), origin("aa")));
    trades.back().identity.seq += static_cast<std::uint64_t>(i);
  }
  SegmentDictionary dictionary(catalog_);
  const std::string payload = encode_rows(std::span<const Trade>(trades), dictionary).payload;
  SegmentIds ids;
  ASSERT_TRUE(decode_dictionary(dictionary.take_new_entries(), catalog_, ids));
  for (std::size_t cut = 0; cut < payload.size(); ++cut) {
    std::vector<Trade> out;
    EXPECT_FALSE(decode_rows(std::string_view(payload).substr(0, cut), 20, ids, out)) << cut;
  }
  for (std::size_t i = 0; i < payload.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = payload;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      std::vector<Trade> out;
      if (decode_rows(flipped, 20, ids, out)) {
        EXPECT_EQ(out.size(), 20u);
      }
    }
  }
}

// Batches of several kinds, as one block of the file holds them.
class MixedBlockTest : public BlockTest {
 protected:
  market::Batch trades(std::uint64_t seq, std::size_t count) {
    market::Batch batch;
    for (std::size_t i = 0; i < count; ++i) {
      batch.trades.push_back(a_trade(series("S"), origin("aa")));
      batch.trades.back().identity.seq = seq + i;
    }
    return batch;
  }
  market::Batch quotes(std::uint64_t seq) {
    return {.kind = StreamKind::kQuote,
            .quotes = {{.series = series("Q"),
                        .ts_event = {5},
                        .ts_recv = {6},
                        .bid = Decimal::make(1, 2),
                        .ask = Decimal::make(2, 2),
                        .identity = {origin("aa"), seq, 0}}}};
  }
  static market::Batch mark() {
    return {.kind = StreamKind::kStatus, .marks = {{.feed = "f", .ts_recv = {9}}}};
  }
  std::string block_of(const std::vector<market::Batch>& batches) {
    std::vector<Slice> slices;
    for (const market::Batch& batch : batches) slices.push_back({&batch, 0, batch.size()});
    SegmentDictionary dictionary(catalog_);
    std::string bytes;
    write_event_block(bytes, slices, Offset(100), 64, dictionary);
    const auto header = read_block_header(bytes);
    EXPECT_TRUE(header && header->kind == StreamKind::kDictionary);
    const std::size_t end = kBlockHeaderBytes + header->stored_bytes;
    EXPECT_TRUE(decode_dictionary(
        std::string_view(bytes).substr(kBlockHeaderBytes, header->stored_bytes), catalog_, ids_));
    return bytes.substr(end);
  }
  Result<std::vector<market::Batch>> decoded(BlockHeader header, std::string_view payload) {
    std::vector<market::Batch> out;
    TD_TRY(decode_block(header, payload, ids_, out));
    return out;
  }

  SegmentIds ids_;
};

TEST_F(MixedBlockTest, KeepsTheOrderOfEventsOfAllKinds) {
  const std::vector<market::Batch> batches{trades(1, 2), mark(),       quotes(1), trades(3, 1),
                                           quotes(2),    trades(4, 3), mark()};
  const std::string bytes = block_of(batches);
  const auto header = *read_block_header(bytes);
  EXPECT_EQ(header.kind, StreamKind::kMixed);
  EXPECT_EQ(header.count, 10u);
  EXPECT_EQ(header.ts_event_min, Timestamp{5});
  const auto out = decoded(header, std::string_view(bytes).substr(kBlockHeaderBytes));
  ASSERT_TRUE(out) << out.error().message;
  ASSERT_EQ(out->size(), batches.size());
  Offset next(100);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    EXPECT_EQ((*out)[i].first, next);
    EXPECT_EQ((*out)[i].kind, batches[i].kind);
    EXPECT_EQ((*out)[i].trades, batches[i].trades);
    EXPECT_EQ((*out)[i].quotes, batches[i].quotes);
    EXPECT_EQ((*out)[i].marks, batches[i].marks);
    next = (*out)[i].end();
  }
}

// Parts by hand: what a later release may write.
std::string part(std::uint8_t kind, std::uint8_t version, std::uint64_t count,
                 std::string_view rows) {
  std::string out;
  put_fixed(out, kind);
  put_fixed(out, version);
  put_varint(out, count);
  put_text(out, rows);
  return out;
}
std::string mixed(const std::vector<std::string>& parts, const std::vector<std::uint64_t>& runs) {
  std::string out;
  put_varint(out, parts.size());
  for (const std::string& each : parts) out += each;
  std::string order;
  for (const std::uint64_t number : runs) put_varint(order, number);
  put_fixed(out, std::uint8_t{1});
  put_text(out, order);
  return out;
}

TEST_F(MixedBlockTest, PartsThatAreNotKnownKeepTheOffsetsOfTheOthers) {
  const std::vector<market::FeedMark> marks{
      {.feed = "a", .ts_recv = {1}}, {.feed = "b", .ts_recv = {2}}, {.feed = "c", .ts_recv = {3}}};
  SegmentDictionary dictionary(catalog_);
  const std::string rows =
      encode_rows(std::span<const market::FeedMark>(marks), dictionary).payload;
  const BlockHeader header{.kind = StreamKind::kMixed, .count = 10, .first = Offset(50)};
  // Kind 77, and version 2 of trades: not ours to read.
  const std::string payload =
      mixed({part(77, 1, 4, "anything"), part(7, 1, 3, rows), part(1, 2, 3, "later")},
            {0, 3, 1, 2, 2, 3, 0, 1, 1, 1});
  const auto out = decoded(header, payload);
  ASSERT_TRUE(out) << out.error().message;
  ASSERT_EQ(out->size(), 2u);
  EXPECT_EQ((*out)[0].first, Offset(53));
  EXPECT_EQ((*out)[0].marks, (std::vector<market::FeedMark>{marks[0], marks[1]}));
  EXPECT_EQ((*out)[1].first, Offset(59));
  EXPECT_EQ((*out)[1].marks, std::vector<market::FeedMark>{marks[2]});
}

TEST_F(MixedBlockTest, RunsThatDoNotMatchTheirPartsAreRefused) {
  const BlockHeader header{.kind = StreamKind::kMixed, .count = 3, .first = Offset(50)};
  const std::string rows = part(77, 1, 3, "");
  EXPECT_TRUE(decoded(header, mixed({rows}, {0, 3})));
  EXPECT_TRUE(decoded(header, mixed({rows}, {0, 1, 0, 2})));
  EXPECT_FALSE(decoded(header, mixed({rows}, {0, 2}))) << "too few";
  EXPECT_FALSE(decoded(header, mixed({rows}, {0, 4}))) << "too many";
  EXPECT_FALSE(decoded(header, mixed({rows}, {1, 3}))) << "of a part that is not there";
  EXPECT_FALSE(decoded(header, mixed({rows}, {0, 3, 0, 0}))) << "of nothing";
  EXPECT_FALSE(decoded(header, mixed({rows}, {0, 3, 0}))) << "cut";
  EXPECT_FALSE(decoded(header, mixed({rows}, {0, 3}) + '\0')) << "and more behind it";
  const std::vector<std::string> two{part(77, 1, 1, ""), part(78, 1, 2, "")};
  EXPECT_TRUE(decoded(header, mixed(two, {1, 1, 0, 1, 1, 1})));
  EXPECT_FALSE(decoded(header, mixed(two, {0, 2, 1, 1}))) << "one from the other's";
  EXPECT_FALSE(decoded(header, mixed({rows, part(77, 1, 0, "")}, {0, 3}))) << "an empty part";
  EXPECT_FALSE(decoded(header, mixed({part(77, 1, 4, "")}, {0, 3}))) << "a part beyond the block";
  EXPECT_FALSE(decoded(header, mixed({rows, part(78, 1, 1, "")}, {0, 2, 1, 1})))
      << "parts beyond the block";
}

// A later release may need a kind, or a version of one, that this one has never heard of.
TEST_F(MixedBlockTest, BlocksThatAreNotKnownAreLeftOut) {
  for (const int kind : {0, 10, 11, 63, 64, 65, 77, 255}) {
    const auto out = decoded({.kind = static_cast<StreamKind>(kind), .count = 5}, "anything");
    ASSERT_TRUE(out) << kind;
    EXPECT_TRUE(out->empty());
  }
  for (const StreamKind kind : {StreamKind::kTrade, StreamKind::kRawFrame, StreamKind::kMixed}) {
    const auto out = decoded({.kind = kind, .version = 2, .count = 5}, "anything");
    ASSERT_TRUE(out);
    EXPECT_TRUE(out->empty());
    EXPECT_FALSE(decoded({.kind = kind, .version = 1, .count = 5}, "anything"));
  }
}

TEST(BlockBytes, OnlyEventsTakeOffsets) {
  const auto is_header = [](StreamKind kind, std::uint32_t count) {
    std::string bytes;
    write_block(bytes, {.kind = kind, .count = count}, "");
    return read_block_header(bytes).has_value();
  };
  for (const StreamKind kind :
       {StreamKind::kDictionary, StreamKind::kIndex, StreamKind::kIdentities}) {
    EXPECT_TRUE(is_header(kind, 0));
    EXPECT_FALSE(is_header(kind, 1));
  }
  for (const StreamKind kind : {StreamKind::kTrade, StreamKind::kRawFrame, StreamKind::kMixed}) {
    EXPECT_FALSE(is_header(kind, 0));
    EXPECT_TRUE(is_header(kind, kBlockEventsMax));
    EXPECT_FALSE(is_header(kind, kBlockEventsMax + 1));
  }
  EXPECT_TRUE(is_header(static_cast<StreamKind>(77), 0)) << "whatever a later release needs";
  EXPECT_TRUE(is_header(StreamKind::kLost, 1u << 30));
}

// Blocks that sealing copies refer to numbers, so those must not move.
TEST_F(BlockTest, ADictionaryIsWrittenAsItIsNumbered) {
  SegmentIds ids{.series = {series("B"), series("A"), series("B")},
                 .origins = {origin("y"), origin("x")}};
  SegmentIds read;
  ASSERT_TRUE(decode_dictionary(encode_dictionary(ids, catalog_), catalog_, read));
  EXPECT_EQ(read.series, ids.series);
  EXPECT_EQ(read.origins, ids.origins);
}

TEST(BlockCutting, NoBlockHoldsMoreThanItMay) {
  market::Batch many;
  many.trades.resize(2 * kBlockEventsMax + 5);
  market::Batch texts{.kind = StreamKind::kRecord};
  texts.records.resize(5);
  for (market::Record& record : texts.records) record.body.assign(kTextBytesMax / 2, 'x');
  market::Batch marks{.kind = StreamKind::kStatus};
  marks.marks.resize(3);
  std::vector<std::size_t> counts;
  std::vector<std::size_t> kinds;
  const std::vector<market::Batch> runs{marks, many, texts, marks};
  for_each_block(runs, [&](std::span<const Slice> slices) {
    std::size_t count = 0;
    std::size_t text = 0;
    for (const Slice& slice : slices) {
      count += slice.count;
      for (std::size_t i = slice.from; i < slice.from + slice.count; ++i) {
        text += text_bytes(*slice.batch, i);
      }
    }
    counts.push_back(count);
    kinds.push_back(slices.size());
    EXPECT_LE(text, 2 * kTextBytesMax);
  });
  // The third takes what is left of the trades and two texts, which are enough.
  EXPECT_EQ(counts, (std::vector<std::size_t>{65'536, 65'536, 8 + 2, 2, 1 + 3}));
  EXPECT_EQ(kinds, (std::vector<std::size_t>{2, 1, 2, 1, 2}));
}

TEST(BlockBytes, AnyFlippedBitOfABlockIsSeen) {
  std::string bytes;
  const std::string payload = "some payload that is stored as it is";
  write_block(bytes, {.kind = market::StreamKind::kTrade, .count = 3, .first = Offset(7)}, payload);
  const auto read = [](std::string_view block) -> Status {
    const auto header = read_block_header(block);
    if (!header) return fail(ErrorCode::kCorrupt, "header");
    return check_payload(*header, block.substr(kBlockHeaderBytes));
  };
  ASSERT_TRUE(read(bytes));
  EXPECT_EQ(bytes.substr(kBlockHeaderBytes), payload);
  EXPECT_EQ(read_block_header(bytes)->first, Offset(7));
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string flipped = bytes;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    EXPECT_FALSE(read(flipped)) << "bit " << i;
  }
}

TEST(Wire, VarintsRoundTripAndRefuseWhatIsTooLong) {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128},
                                    std::numeric_limits<std::uint64_t>::max()}) {
    std::string bytes;
    put_varint(bytes, value);
    WireReader reader(bytes);
    EXPECT_EQ(reader.varint(), value);
    EXPECT_TRUE(reader.ok() && reader.at_end());
  }
  WireReader too_long(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10));
  too_long.varint();
  EXPECT_FALSE(too_long.ok());
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, kMin, kMax}) {
    EXPECT_EQ(unzigzag(zigzag(value)), value);
  }
}

}  // namespace
}  // namespace tapedeck::tape::embedded
