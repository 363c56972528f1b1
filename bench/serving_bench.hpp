// bench/serving_bench.hpp: what the program serves: a trade's way into a browser, and HTTP.
#pragma once

#include <cstdint>
#include <string>

namespace tapedeck::bench {

struct LiveArguments {
  std::string directory;  // of the tape and the store
  std::uint64_t rate = 10'000;
  std::uint64_t duration_s = 10;
  std::uint32_t series = 20;
  std::uint32_t crowd = 0;
};
// A whole program in one process: a feed that gives so many trades a second, tape, bars, store and
// API, and a client of its WebSocket over loopback that watches the trades of every series. Prints
// how long after it was due each trade was read from the client's socket, and how long an
// fdatasync in the same folder took meanwhile. Beside that client there may be a crowd, each of
// which watches the bars of one series: a tenth never reads, a tenth vanishes.
void live(const LiveArguments& arguments);
// The same program without the client: prints its address, and serves until standard input ends.
void page(const LiveArguments& arguments);

struct LoadArguments {
  std::uint16_t port = 0;
  std::string token;
  std::string target;  // "/api/v1/last"
  std::uint32_t connections = 32;
  std::uint64_t duration_s = 5;
};
// Asks a running program over connections that are kept, each for one thing after the other.
void load(const LoadArguments& arguments);

// A tape of a day of so many trades.
struct FillArguments {
  std::string directory;
  std::uint64_t rows = 0;
  std::uint32_t series = 500;
};

}  // namespace tapedeck::bench
