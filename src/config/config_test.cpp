#include "config/config.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tapedeck::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ConfigTest : public testing::Test {
 public:
  ~ConfigTest() override { std::filesystem::remove_all(folder_); }

 protected:
  ParsedConfig parse(const std::string& text, bool is_container = false) const {
    return parse_config(
        text, "x.toml",
        {.environment = [](const std::string& name) -> std::optional<std::string> {
           if (name == "KEY") return "hunter2hunter2";
           if (name == "EMPTY") return "";
           if (name == "LINES") return "a\r\nb: c";
           return std::nullopt;
         },
         .venues = {{.name = "binance"},
                    {.name = "coinbase"},
                    {.name = "kraken"},
                    {.name = "keyed", .needs_token = true, .symbols_max_of_token = 2}},
         .is_container = is_container});
  }
  std::vector<std::string> problems(const std::string& text) const {
    std::vector<std::string> all;
    for (const ConfigProblem& problem : parse(text).problems) all.push_back(to_string(problem));
    return all;
  }
  // The only problem of a file.
  std::string problem(const std::string& text) const {
    const auto all = problems(text);
    EXPECT_EQ(all.size(), 1u) << testing::PrintToString(all);
    return all.empty() ? "" : all.front();
  }
  std::string write(const std::string& name, const std::string& content, mode_t mode) const {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << content;
    ::chmod(path.c_str(), mode);
    return path;
  }

  const std::string folder_ = [] {
    std::string name = testing::TempDir() + "td_config_XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    return name;
  }();
};

TEST_F(ConfigTest, AnEmptyFileIsTheDefaults) {
  const ParsedConfig parsed = parse("");
  EXPECT_TRUE(parsed.usable());
  EXPECT_THAT(parsed.problems, IsEmpty());
  EXPECT_EQ(parsed.config.api.listen, (Endpoint{"127.0.0.1", 8273}));
  EXPECT_EQ(parsed.config.tape.fsync, Fsync::kGroup);
  ASSERT_EQ(parsed.config.bars.size(), 1u);
  EXPECT_EQ(parsed.config.bars[0].interval, minutes(1));
}

TEST_F(ConfigTest, ReadsAllOptions) {
  const ParsedConfig parsed = parse(R"toml(
    [tape]
    kind = "embedded"
    dir = "a/tape"
    fsync = "always"
    partitions = 4
    segment_bytes = "32MiB"
    retention_age = "90d"
    retention_bytes = "100GiB"
    raw = "keep"
    raw_retention_age = "24h"
    raw_retention_bytes = 1073741824
    free_warn = "1GiB"
    free_stop = 0
    [[feed]]
    id = "crypto"
    venue = "coinbase"
    symbols = ["BTC-USD", "ETH-USD"]
    token = "env:KEY"
    [[feed]]
    id = "old_1"
    venue = "kraken"
    files = ["a.gz"]
    speed = 20
    [[bars]]
    interval = "1m"
    lateness = "250ms"
    [[bars]]
    interval = "5s"
    conditions = "all"
    session = "regular"
    [[bars]]
    interval = "15s"
    slide = "5s"
    [[bars]]
    interval = "1d"
    source = "vendor"
    adjusted = "split"
    [store]
    kind = "embedded"
    dir = "a/store"
    means = true
    [api]
    listen = "[::1]:0"
    token = "env:KEY"
    [log]
    format = "json"
    level = "debug"
  )toml");
  EXPECT_THAT(parsed.problems, IsEmpty());
  const Config& c = parsed.config;
  EXPECT_EQ(c.tape.dir, "a/tape");
  EXPECT_EQ(c.tape.fsync, Fsync::kAlways);
  EXPECT_EQ(c.tape.partitions, 4u);
  EXPECT_EQ(c.tape.segment_bytes, 32u << 20);
  EXPECT_EQ(c.tape.retention_age, hours(24) * 90);
  EXPECT_EQ(c.tape.retention_bytes, std::uint64_t{100} << 30);
  EXPECT_EQ(c.tape.raw, RawFrames::kKeep);
  EXPECT_EQ(c.tape.raw_retention_age, hours(24));
  EXPECT_EQ(c.tape.raw_retention_bytes, 1u << 30);
  EXPECT_EQ(c.tape.free_warn_bytes, 1u << 30);
  EXPECT_EQ(c.tape.free_stop_bytes, 0u);
  ASSERT_EQ(c.feeds.size(), 2u);
  EXPECT_EQ(c.feeds[0].id, "crypto");
  EXPECT_EQ(c.feeds[0].venue, "coinbase");
  EXPECT_THAT(c.feeds[0].symbols, ElementsAre("BTC-USD", "ETH-USD"));
  EXPECT_EQ(c.feeds[0].token.reveal(), "hunter2hunter2");
  EXPECT_EQ(c.feeds[0].speed, std::nullopt);
  EXPECT_THAT(c.feeds[1].files, ElementsAre("a.gz"));
  EXPECT_EQ(c.feeds[1].speed, 20);
  ASSERT_EQ(c.bars.size(), 4u);
  EXPECT_EQ(c.bars[2].spec().slide, seconds(5));
  EXPECT_TRUE(c.store.means);
  EXPECT_EQ(c.bars[0].spec(), market::BarSpec{});
  EXPECT_EQ(c.bars[0].lateness, milliseconds(250));
  EXPECT_EQ(c.bars[1].spec(), (market::BarSpec{seconds(5), market::ConditionMode::kAll,
                                               market::SessionMode::kRegular}));
  EXPECT_EQ(c.bars[3].spec(), (market::BarSpec{.interval = market::kTradingDay,
                                               .source = market::BarSource::kVendor,
                                               .adjusted = market::Adjusted::kSplit}));
  EXPECT_EQ(c.store.dir, "a/store");
  EXPECT_EQ(c.api.listen, (Endpoint{"::1", 0}));
  EXPECT_EQ(c.api.token.reveal(), "hunter2hunter2");
  EXPECT_EQ(c.log.format, LogFormat::kJson);
  EXPECT_EQ(c.log.level, LogLevel::kDebug);
}

TEST_F(ConfigTest, AllThatIsWrongIsToldAtOnceInTheOrderOfTheFile) {
  EXPECT_THAT(
      problems("[tape]\n"
               "fsync = \"gruop\"\n"
               "\n"
               "[[feed]]\n"
               "id = \"a\"\n"
               "venue = \"karken\"\n"
               "symbol = [\"X\"]\n"
               "[[bars]]\n"
               "interval = \"2m\"\n"
               "  lateness = \"10parsec\"\n"
               "[api]\n"
               "listen = \"127.0.0.1:70000\"\n"),
      ElementsAre("x.toml:2:9: tape.fsync: 'gruop' is not known: did you mean 'group'?",
                  "x.toml:4:1: feed[1]: has neither symbols nor files: name what to take, "
                  "or the recordings to play",
                  "x.toml:6:9: feed[1].venue: 'karken' is not known: did you mean 'kraken'?",
                  "x.toml:7:1: feed[1].symbol: 'symbol' is not known: did you mean "
                  "'symbols'?",
                  "x.toml:9:12: bars[1].interval: interval '2m' is not known: use one of "
                  "1s, 5s, 15s, 30s, 1m, 5m, 15m, 30m, 1h, 1d",
                  "x.toml:10:14: bars[1].lateness: '10parsec' is not a duration: write a "
                  "whole number and a unit (ns, us, ms, s, m, h, d), such as 15s or 1m",
                  "x.toml:12:10: api.listen: '127.0.0.1:70000': the port is a whole number, 0 to "
                  "65535: write \"127.0.0.1:8273\" or \"[::1]:8273\""));
}

TEST_F(ConfigTest, NoToml) {
  EXPECT_THAT(problem("[tape]\ndir = \n"), HasSubstr("x.toml:2:"));
  EXPECT_THAT(problem("[tape]\ndir = \n"), HasSubstr("not TOML"));
  EXPECT_THAT(problem("[tape]\n[tape]\n"), HasSubstr("x.toml:2:"));
  EXPECT_THAT(problem("a = \"\xFF\""), HasSubstr("not TOML"));
  EXPECT_THAT(problem("a = " + std::string(100'000, '[')), HasSubstr("not TOML"));
  EXPECT_FALSE(parse("x").usable());
}

// What is no TOML hides nothing else that is wrong, and makes nothing else wrong.
TEST_F(ConfigTest, BesideWhatIsNoTomlTheRestIsTold) {
  EXPECT_THAT(
      problems("[tape]\n"
               "fsync = \"gruop\"\n"
               "kind = embedded\n"
               "dir = \"a\"\n"
               "dir = \"b\"\n"
               "[[bars]]\n"
               "interval = 1m\n"
               "[api\n"
               "listen = \"127.0.0.1:1\"\n"
               "[strore]\n"
               "[[feed]]\n"
               "id = \"a\"\n"
               "venue = \"kraken\"\n"
               "symbols = [\"A\",\n"
               "  \"B\"\n"
               "speed = 5\n"
               "[log]\n"
               "level = \"inof\"\n"),
      ElementsAre(HasSubstr("x.toml:2:9: tape.fsync: 'gruop' is not known"),
                  HasSubstr("x.toml:3:8: not TOML"), HasSubstr("x.toml:5:7: not TOML"),
                  HasSubstr("x.toml:7:"), HasSubstr("x.toml:8:5: not TOML"),
                  HasSubstr("x.toml:10:2: strore: 'strore' is not known"), HasSubstr("x.toml:16:"),
                  HasSubstr("x.toml:18:9: log.level: 'inof' is not known")));
  // Nothing says where a text without an end should have ended.
  EXPECT_THAT(problems("[tape]\ndir = \"\"\"a\nfsync = \"grop\"\n"),
              testing::Each(HasSubstr("encountered end-of-file")));
  EXPECT_THAT(problems("[api]\nlisten = [\n[log]\nlevel = 5\n"),
              testing::Contains(HasSubstr("not TOML")));
  // There is an end to it.
  std::string many;
  for (int i = 0; i < 1'000; ++i) many += "a b\nc = 1\n";
  EXPECT_LE(problems(many).size(), 100u);
}

// Nor does what the parser says repeat a secret that somebody wrote without its quotes.
TEST_F(ConfigTest, NoSecretInWhatIsNoToml) {
  for (const std::string token :
       {"hunter2hunter2", "123456789012345678901234567890", "\"hunter2"}) {
    const auto told = problems("[api]\ntoken = " + token + "\n");
    ASSERT_FALSE(told.empty());
    EXPECT_THAT(told[0], HasSubstr("x.toml:2:"));
    for (const std::string& each : told) {
      EXPECT_THAT(each, Not(HasSubstr("hunter2")));
      EXPECT_THAT(each, Not(HasSubstr("1234567")));
    }
  }
}

TEST_F(ConfigTest, LongListsAndNamesTakeNoTime) {
  std::string symbols;
  for (int i = 0; i < 20'000; ++i) symbols += fmt::format("\"S{}\",", i);
  EXPECT_THAT(problems("[[feed]]\nid = \"a\"\nvenue = \"kraken\"\nsymbols = [" + symbols + "]\n"),
              IsEmpty());
  EXPECT_LT(problem(std::string(100'000, 'a') + " = 1\n").size(), 400u);
}

TEST_F(ConfigTest, UnknownComponents) {
  EXPECT_EQ(problem("[strore]\n"),
            "x.toml:1:2: strore: 'strore' is not known: did you mean "
            "'store'?");
  EXPECT_EQ(problem("port = 1\n"),
            "x.toml:1:1: port: 'port' is not known: use one of tape, feed, "
            "bars, store, api, log");
}

TEST_F(ConfigTest, TheWrongBrackets) {
  EXPECT_THAT(problem("[feed]\nid = \"a\"\n"), HasSubstr("[[feed]], with two brackets"));
  EXPECT_THAT(problem("[[tape]]\n"), HasSubstr("written [tape]"));
  EXPECT_THAT(problem("tape = 5\n"), HasSubstr("written [tape]; here stands a whole number"));
  EXPECT_THAT(problem("feed = [1]\n"), HasSubstr("two brackets"));
}

TEST_F(ConfigTest, WrongTypes) {
  EXPECT_EQ(problem("[tape]\ndir = 5\n"),
            "x.toml:2:7: tape.dir: must be text in quotes; here stands a whole number");
  EXPECT_THAT(problem("[tape]\npartitions = \"4\"\n"),
              HasSubstr("must be a whole number, 1 to 1024; here stands text"));
  EXPECT_THAT(problem("[tape]\npartitions = 1.5\n"), HasSubstr("here stands a number"));
  EXPECT_THAT(problem("[tape]\nfree_warn = 1.5\n"),
              HasSubstr("a number of bytes, such as 1048576 or \"64MiB\"; here stands a number"));
  EXPECT_THAT(problem("[api]\nlisten = 8273\n"), HasSubstr("must be text in quotes"));
  EXPECT_THAT(problem("[[bars]]\ninterval = \"1m\"\nlateness = 10\n"),
              HasSubstr("a duration in quotes, such as \"10s\"; here stands a whole number"));
  EXPECT_THAT(problem("[[bars]]\ninterval = 60\n"), HasSubstr("an interval in quotes"));
  EXPECT_THAT(problem("[store]\nmeans = 1\n"), HasSubstr("true or false; here stands a whole"));
  EXPECT_THAT(problem("[log]\nlevel = true\n"), HasSubstr("here stands true or false"));
  const std::string feed = "[[feed]]\nid = \"a\"\nvenue = \"kraken\"\n";
  EXPECT_THAT(problem(feed + "symbols = \"BTC/USD\"\n"), HasSubstr("a list of text"));
  EXPECT_THAT(problem(feed + "symbols = [\"A\", 5]\n"), HasSubstr("feed[1].symbols[2]: must be"));
  EXPECT_THAT(problem(feed + "files = [\"a\"]\nspeed = \"20\"\n"), HasSubstr("a number above 0"));
}

TEST_F(ConfigTest, OutOfRange) {
  const std::string feed = "[[feed]]\nid = \"a\"\nvenue = \"kraken\"\nfiles = [\"a\"]\n";
  for (const std::string speed : {"0", "-1", "1000001", "nan", "inf"}) {
    EXPECT_THAT(problem(fmt::format("{}speed = {}\n", feed, speed)), HasSubstr("out of range"))
        << speed;
  }
  EXPECT_THAT(problem(feed + "speed = 0.5\nsymbols = []\n"), HasSubstr("must not be empty"));
  EXPECT_THAT(problem(feed + "symbols = [\"A\", \"A\"]\n"), HasSubstr("'A' stands twice"));
  EXPECT_THAT(problem("[[bars]]\ninterval = \"1m\"\nlateness = \"25h\"\n"),
              HasSubstr("25h is out of range: at most 1d"));
  EXPECT_THAT(problem("[[bars]]\ninterval = \"1m\"\nlateness = \"-1s\"\n"), HasSubstr("duration"));
  for (const std::string slide : {"7s", "1500ms", "2m"}) {
    EXPECT_THAT(problem(fmt::format("[[bars]]\ninterval = \"1m\"\nslide = \"{}\"\n", slide)),
                HasSubstr("whole number of slides"))
        << slide;
  }
  EXPECT_THAT(problem("[[bars]]\ninterval = \"1d\"\nslide = \"1h\"\n"), HasSubstr("slides"));
  EXPECT_THAT(problem("[tape]\npartitions = 0\n"), HasSubstr("out of range: 1 to 1024"));
  EXPECT_THAT(problem("[tape]\npartitions = 4294967297\n"), HasSubstr("out of range"));
  EXPECT_THAT(problem("[tape]\nsegment_bytes = -1\n"), HasSubstr("-1 is out of range"));
  EXPECT_THAT(problem("[tape]\nsegment_bytes = \"1KiB\"\n"),
              HasSubstr("1KiB is out of range: 1MiB to 1GiB"));
  EXPECT_THAT(problem("[tape]\nretention_age = \"5s\"\n"), HasSubstr("at least 1m, at most"));
  for (const std::string bytes : {"64MB", "64", "MiB", "-1MiB", "1.5GiB", "99999999999TiB", ""}) {
    EXPECT_THAT(problem(fmt::format("[tape]\nfree_warn = \"{}\"\n", bytes)),
                HasSubstr("a whole number and a unit (B, KiB, MiB, GiB, TiB)"));
  }
  EXPECT_THAT(problem("[tape]\ndir = \"\"\n"), HasSubstr("must not be empty"));
  EXPECT_THAT(problem("[tape]\ndir = \"a\\u0000b\"\n"), HasSubstr("control characters"));
}

TEST_F(ConfigTest, WhereToListen) {
  const auto listen = [this](const std::string& where) {
    const ParsedConfig parsed = parse("[api]\nlisten = \"" + where + "\"\n");
    return parsed.usable() ? parsed.config.api.listen : Endpoint{parsed.problems[0].message, 0};
  };
  EXPECT_EQ(listen("127.0.0.1:0"), (Endpoint{"127.0.0.1", 0}));
  EXPECT_EQ(listen("[::1]:65535"), (Endpoint{"::1", 65535}));
  EXPECT_THAT(listen("8273").address, HasSubstr("an address and a port are needed"));
  EXPECT_THAT(listen(":8273").address, HasSubstr("an address and a port are needed"));
  EXPECT_THAT(listen("localhost:8273").address, HasSubstr("names are not looked up"));
  EXPECT_THAT(listen("::1:8273").address, HasSubstr("write \"127.0.0.1:8273\""));
  EXPECT_THAT(listen("[127.0.0.1]:1").address, HasSubstr("no IPv6 address"));
  for (const std::string port : {"", "x", "-1", "65536", "80 ", "0x50"}) {
    EXPECT_THAT(listen("127.0.0.1:" + port).address, HasSubstr("0 to 65535")) << port;
  }
}

TEST_F(ConfigTest, ATapeThatMakesSense) {
  EXPECT_EQ(problem("[tape]\nfree_warn = \"1GiB\"\nfree_stop = \"2GiB\"\n"),
            "x.toml:3:13: tape.free_stop: free_stop is more than free_warn: nothing would warn "
            "before it stops");
  EXPECT_THAT(problem("[tape]\nfree_warn = 0\n"), HasSubstr("x.toml:2:13: tape.free_warn: "));
  EXPECT_THAT(problem("[tape]\nretention_bytes = \"2MiB\"\n"),
              HasSubstr("tape.retention_bytes: is less than segment_bytes"));
  EXPECT_THAT(problem("[tape]\nraw_retention_age = \"1d\"\n"),
              HasSubstr("x.toml:2:21: tape.raw_retention_age: raw frames are not kept"));
  // What could not be read is not taken for its default.
  EXPECT_THAT(problem("[tape]\nraw = \"kep\"\nraw_retention_age = \"1d\"\n"),
              HasSubstr("did you mean 'keep'?"));
  EXPECT_THAT(problem("[tape]\ndir = \"a/./b/\"\n[store]\ndir = \"a/b\"\n"),
              HasSubstr("x.toml:4:7: store.dir: tape and store have the same folder"));
  EXPECT_THAT(problem("[tape]\ndir = \"var/store\"\n"), HasSubstr("x.toml:2:7: tape.dir"));
}

TEST_F(ConfigTest, ALossWindowIsAWarning) {
  const ParsedConfig parsed = parse("[tape]\nfsync = \"never\"\n");
  EXPECT_TRUE(parsed.usable());
  ASSERT_EQ(parsed.problems.size(), 1u);
  EXPECT_THAT(
      to_string(parsed.problems[0]),
      HasSubstr("x.toml:2:9: warning: tape.fsync: when the power fails, about the last 30 s "
                "of what was acknowledged are lost"));
}

TEST_F(ConfigTest, BarsThatMakeSense) {
  const std::string bars = "[[bars]]\ninterval = \"1m\"\n";
  EXPECT_THAT(problem(bars + "adjusted = \"split\"\n"),
              HasSubstr("x.toml:3:12: bars[1].adjusted: only a vendor's bars come adjusted"));
  EXPECT_THAT(problem(bars + "source = \"last\"\nconditions = \"all\"\n"),
              HasSubstr("x.toml:4:14: bars[1].conditions: only trades have conditions"));
  EXPECT_THAT(problems(bars + bars + "source = \"last\"\n" + bars + "source = \"vendor\"\n" + bars +
                       "source = \"vendor\"\nadjusted = \"total\"\n"),
              IsEmpty());
}

TEST_F(ConfigTest, FeedsNeedTheirOwnNames) {
  const auto feed = [](const std::string& id) {
    return "[[feed]]\nid = \"" + id + "\"\nvenue = \"kraken\"\nsymbols = [\"A\"]\n";
  };
  EXPECT_EQ(problem(feed("a") + feed("b") + feed("a")),
            "x.toml:10:6: feed[3].id: there is another feed with the id 'a': give each its own");
  EXPECT_THAT(problem(feed("a/b")), HasSubstr("letters, digits"));
  EXPECT_THAT(problem(feed(std::string(65, 'a'))), HasSubstr("at most 64"));
  EXPECT_THAT(problems("[[feed]]\nsymbols = [\"A\"]\n"),
              ElementsAre(HasSubstr("'id' is missing"), HasSubstr("'venue' is missing")));
}

TEST_F(ConfigTest, NoBarsTwice) {
  EXPECT_THAT(problem("[[bars]]\ninterval = \"1m\"\n[[bars]]\ninterval = \"1m\"\n"
                      "conditions = \"eligible\"\nlateness = \"1s\"\n"),
              HasSubstr("x.toml:3:1: bars[2]: the same interval"));
  EXPECT_THAT(problems("[[bars]]\ninterval = \"1m\"\n[[bars]]\ninterval = \"1m\"\n"
                       "conditions = \"all\"\n"),
              IsEmpty());
  // What could not be read is not taken for its default.
  EXPECT_THAT(problem("[[bars]]\ninterval = \"1m\"\n[[bars]]\ninterval = \"9m\"\n"),
              HasSubstr("bars[2].interval"));
}

TEST_F(ConfigTest, BeyondLoopbackMustBeMeant) {
  EXPECT_THAT(problem("[api]\nlisten = \"0.0.0.0:80\"\n"),
              HasSubstr("x.toml:2:10: api.listen: other machines can reach 0.0.0.0"));
  const ParsedConfig parsed = parse("[api]\nlisten = \"0.0.0.0:80\"\ninsecure = true\n");
  EXPECT_TRUE(parsed.usable());
  ASSERT_EQ(parsed.problems.size(), 1u);
  EXPECT_THAT(to_string(parsed.problems[0]),
              HasSubstr("x.toml:2:10: warning: api.listen: other machines can reach 0.0.0.0"));
}

TEST_F(ConfigTest, TlsIsEnoughBeyondLoopback) {
  const std::string listen = "[api]\nlisten = \"192.168.1.7:443\"\n";
  const std::string certificate = "tls_certificate = \"deck.pem\"\n";
  const std::string key = "tls_key = \"deck.key\"\n";
  const ParsedConfig parsed = parse(listen + certificate + key);
  EXPECT_THAT(parsed.problems, IsEmpty());
  EXPECT_EQ(parsed.config.api.tls_certificate, "deck.pem");
  EXPECT_EQ(parsed.config.api.tls_key, "deck.key");
  EXPECT_THAT(problem(listen + certificate),
              HasSubstr("x.toml:3:19: api.tls_certificate: TLS needs both"));
  EXPECT_THAT(problem("[api]\n" + key), HasSubstr("api.tls_key: TLS needs both"));
}

TEST_F(ConfigTest, TheKeyOfTlsIsForItsOwnerAlone) {
  const std::string path = testing::TempDir() + "tapedeck-config-test.key";
  std::ofstream(path) << "key";
  const std::string text = "[api]\ntls_certificate = \"deck.pem\"\ntls_key = \"" + path + "\"\n";
  using std::filesystem::perms;
  std::filesystem::permissions(path, perms::owner_read | perms::group_read);
  const ParsedConfig open = parse(text);
  EXPECT_TRUE(open.usable());
  ASSERT_EQ(open.problems.size(), 1u);
  EXPECT_THAT(to_string(open.problems[0]), HasSubstr("api.tls_key: others may read"));
  std::filesystem::permissions(path, perms::owner_read);
  EXPECT_THAT(parse(text).problems, IsEmpty());
  std::filesystem::remove(path);
}

TEST_F(ConfigTest, WhatIsInsecureMayBeSaidOutside) {
  const Surroundings said{.environment = {}, .venues = {}, .insecure = true};
  EXPECT_TRUE(parse_config("[api]\nlisten = \"192.168.1.7:80\"\n", "x.toml", said).usable());
}

TEST(ParseEndpoint, IsAnAddressAndAPort) {
  EXPECT_EQ(*parse_endpoint("127.0.0.1:8273"), (Endpoint{"127.0.0.1", 8273}));
  EXPECT_EQ(*parse_endpoint("[::1]:0"), (Endpoint{"::1", 0}));
  for (const char* wrong : {"", ":", "8273", "localhost:1", "127.0.0.1:", "127.0.0.1:65536",
                            "::1:8273", "[::1]", "127.0.0.1:80x"}) {
    EXPECT_FALSE(parse_endpoint(wrong)) << wrong;
  }
}

TEST_F(ConfigTest, AContainerMayListenOnAllInterfaces) {
  for (const char* all : {"0.0.0.0:80", "[::]:80"}) {
    const ParsedConfig parsed = parse(fmt::format("[api]\nlisten = \"{}\"\n", all), true);
    EXPECT_TRUE(parsed.usable()) << all;
    ASSERT_EQ(parsed.problems.size(), 1u) << all;  // a warning
    EXPECT_FALSE(parse(fmt::format("[api]\nlisten = \"{}\"\n", all)).usable()) << all;
  }
  EXPECT_FALSE(parse("[api]\nlisten = \"192.168.1.7:80\"\n", true).usable());
}

// A venue that serves one connection of a key, and two symbols on it.
TEST_F(ConfigTest, WhatAVenueAsksOfItsFeeds) {
  const auto feed = [](const std::string& id, const std::string& lines) {
    return "[[feed]]\nid = \"" + id + "\"\nvenue = \"keyed\"\n" + lines + "\n";
  };
  const std::string key = "symbols = [\"A\"]\ntoken = \"env:KEY\"";
  EXPECT_THAT(problems(feed("a", key)), IsEmpty());
  EXPECT_THAT(problem(feed("a", "symbols = [\"A\"]")),
              HasSubstr("feed[1]: keyed wants a key: write token = \"env:NAME\""));
  EXPECT_THAT(problem(feed("a", "symbols = [\"A\", \"B\", \"C\"]\ntoken = \"env:KEY\"")),
              HasSubstr("feed[1].symbols: keyed serves 2 symbols to a key, and these are 3"));
  const std::string same = problem(feed("a", key) + feed("b", key));
  EXPECT_THAT(same, HasSubstr("feed[2].token: feed 'a' has the same key"));
  EXPECT_THAT(same, Not(HasSubstr("hunter2")));
  EXPECT_THAT(problems(feed("a", "files = [\"x\"]")), IsEmpty());
}

class SecretsTest : public ConfigTest {
 protected:
  static std::string feed(const std::string& token) {
    return "[[feed]]\nid = \"a\"\nvenue = \"kraken\"\nsymbols = [\"A\"]\ntoken = \"" + token +
           "\"\n";
  }
};

TEST_F(SecretsTest, FromTheEnvironment) {
  EXPECT_EQ(parse(feed("env:KEY")).config.feeds[0].token.reveal(), "hunter2hunter2");
  EXPECT_EQ(problem(feed("env:NONE")),
            "x.toml:5:9: feed[1].token: the environment variable 'NONE' is not set");
  EXPECT_THAT(problem(feed("env:EMPTY")), HasSubstr("'EMPTY' is not set"));
  EXPECT_THAT(problem(feed("env:LINES")), HasSubstr("more than one line"));
}

TEST_F(SecretsTest, FromAFile) {
  const std::string path = write("key", "hunter2hunter2\r\n", 0600);
  const ParsedConfig parsed = parse(feed("file:" + path));
  EXPECT_THAT(parsed.problems, IsEmpty());
  EXPECT_EQ(parsed.config.feeds[0].token.reveal(), "hunter2hunter2");
  EXPECT_THAT(problem(feed("file:" + folder_ + "/none")), HasSubstr(folder_ + "/none"));
  EXPECT_THAT(problem(feed("file:" + folder_)), HasSubstr("not a regular file"));
  EXPECT_THAT(problem(feed("file:" + write("empty", "\n", 0600))), HasSubstr("is empty"));
  EXPECT_THAT(problem(feed("file:" + write("long", std::string(5000, 'x'), 0600))),
              HasSubstr("longer than a secret"));
  EXPECT_THAT(problem(feed("file:" + write("two", "a\nb\n", 0600))),
              HasSubstr("more than one line"));
}

TEST_F(SecretsTest, AFileThatOthersMayReadIsAWarning) {
  for (const mode_t mode : {0640u, 0604u, 0660u}) {
    const ParsedConfig parsed = parse(feed("file:" + write("key", "hunter2", mode)));
    EXPECT_TRUE(parsed.usable());
    ASSERT_EQ(parsed.problems.size(), 1u);
    EXPECT_THAT(parsed.problems[0].message, HasSubstr("chmod 600"));
    EXPECT_EQ(parsed.config.feeds[0].token.reveal(), "hunter2");
  }
}

// Who writes the secret itself is told so, without repeating it.
TEST_F(SecretsTest, NeverInThePipelineFile) {
  for (const std::string token : {"hunter2hunter2", "key:hunter2hunter2", "env:", "file:", ""}) {
    const std::string told = problem(feed(token));
    EXPECT_THAT(told, HasSubstr("env:NAME"));
    EXPECT_THAT(told, Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(problem("[[feed]]\nid = \"a\"\nvenue = \"kraken\"\nsymbols = [\"A\"]\n"
                      "token = 12345678\n"),
              Not(HasSubstr("12345678")));
}

// ---- The reference

// Each default that the reference shows, written into a file, is what the file means without it.
TEST_F(ConfigTest, TheReferenceShowsWhatParses) {
  for (const ComponentReference& component : reference()) {
    EXPECT_FALSE(component.help.empty());
    for (const OptionReference& option : component.options) {
      EXPECT_FALSE(option.kind.empty() || option.help.empty()) << option.name;
      if (component.many || option.default_value.empty()) continue;
      const std::string text =
          "[" + component.name + "]\n" + option.name + " = " + option.default_value + "\n";
      EXPECT_THAT(problems(text), IsEmpty()) << text;
    }
  }
  EXPECT_EQ(parse("[api]\nlisten = \"127.0.0.1:8273\"\n").config.api.listen,
            parse("").config.api.listen);
}

TEST_F(ConfigTest, TheReferenceAsMarkdown) {
  const std::string text = reference_markdown();
  EXPECT_THAT(text, HasSubstr("\n## `[[feed]]`\n"));
  EXPECT_THAT(text, HasSubstr("\n## `[tape]`\n"));
  EXPECT_THAT(text,
              HasSubstr("| `fsync` | one of \"always\", \"group\", \"never\" | `\"group\"` |"));
  EXPECT_THAT(text,
              HasSubstr("| `venue` | one of the venues that `tapedeck list` shows | required |"));
  EXPECT_THAT(text, HasSubstr("| `token` | secret: \"env:NAME\" or \"file:PATH\" | none |"));
  EXPECT_THAT(text, HasSubstr("| `partitions` | whole number, 1 to 1024 | none |"));
  EXPECT_THAT(text,
              HasSubstr("| `segment_bytes` | bytes, such as 1048576 or \"64MiB\", 1MiB to 1GiB "
                        "| `\"64MiB\"` |"));
  EXPECT_THAT(text, HasSubstr("| `\"127.0.0.1:8273\"` |"));
  EXPECT_THAT(text, HasSubstr("| `lateness` | duration, such as \"10s\", at most \"1d\" | "
                              "`\"10s\"` |"));
}

TEST_F(ConfigTest, TheExampleIsGood) {
  const ParsedConfig parsed = parse(std::string(example()));
  EXPECT_THAT(parsed.problems, IsEmpty());
  EXPECT_EQ(parsed.config.bars.size(), 2u);
}

// TAPEDECK_WRITE_REFERENCE=1 writes it.
TEST_F(ConfigTest, TheReferenceInTheDocsIsThis) {
  const std::string path = std::string(TD_SOURCE_DIR) + "/../../docs/reference/config.md";
  if (std::getenv("TAPEDECK_WRITE_REFERENCE") != nullptr) {
    std::ofstream(path) << reference_markdown();
  }
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, reference_markdown())
      << "run TAPEDECK_WRITE_REFERENCE=1 td_config_test, and commit " << path;
}

TEST(ProcessEnvironment, IsThatOfTheProcess) {
  ::setenv("TD_CONFIG_TEST", "x", 1);
  EXPECT_EQ(process_environment("TD_CONFIG_TEST"), "x");
  ::unsetenv("TD_CONFIG_TEST");
  EXPECT_EQ(process_environment("TD_CONFIG_TEST"), std::nullopt);
}

}  // namespace
}  // namespace tapedeck::config
