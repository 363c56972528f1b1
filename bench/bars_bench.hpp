// bench/bars_bench.hpp: td_bench's part about bars: a sealed tape to bars of 1 m and averages of
// 15 s, on one thread.
#pragma once

#include <cstddef>
#include <string>

namespace tapedeck::bench {

struct BarsArguments {
  std::string tape;
  std::string out;            // a folder: gets bars.csv and averages.csv
  std::string store;          // the file of a store; empty: straight to the CSV files
  std::size_t bars_kept = 0;  // of each bar series, in memory; 0: all
};

// Prints one JSON object. The clock stops when the last byte is written, or, with a store, when all
// is durable there; then the CSV files are what it gives back.
void make_bars(const BarsArguments& arguments);

}  // namespace tapedeck::bench
