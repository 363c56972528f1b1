// bench/measure.hpp: what td_bench measures itself with, and how it gives up.
#pragma once

#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <type_traits>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace tapedeck::bench {

inline const SystemClock kClock;

[[noreturn]] inline void die(const std::string& message) {
  fmt::print(stderr, "td_bench: {}\n", message);
  std::exit(1);
}

template <class T>
T or_exit(Result<T> result) {
  if (!result) die(result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

inline double now_s() { return static_cast<double>(kClock.elapsed().ns) * 1e-9; }

inline double cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto s = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return s(usage.ru_utime) + s(usage.ru_stime);
}

// A number of a file in /proc/self of lines "name: number".
inline std::uint64_t proc_number(const char* file, const std::string& name) {
  std::ifstream in(std::string("/proc/self/") + file);
  std::string word;
  while (in >> word) {
    if (word == name + ":" && in >> word) return std::stoull(word);
  }
  return 0;
}

inline std::uint64_t bytes_below(const std::string& directory) {
  std::uint64_t sum = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) sum += entry.file_size();
  }
  return sum;
}

}  // namespace tapedeck::bench
