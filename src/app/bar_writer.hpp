// src/app/bar_writer.hpp: bars as text, for people and their programs.
#pragma once

#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "market/bar.hpp"
#include "store/store.hpp"

namespace tapedeck::app {

enum class BarFormat { kCsv, kJson, kNdjson };
Result<BarFormat> parse_bar_format(std::string_view text);

// kReplay: what the bars of trades have had from the first release on. kFull: all that trades make.
enum class BarColumns { kReplay, kFull };
Result<BarColumns> parse_bar_columns(std::string_view text);

// All of `rows`, with header or brackets where the format has them. JSON has all columns always.
std::string render_bars(std::span<const market::BarRow> rows, BarFormat format, BarColumns columns);
// As CSV: bars of sliding windows, as the averages of their trades; windows without any are left
// out.
std::string render_averages(std::span<const market::BarRow> rows);
std::string render_means(std::span<const store::MeanRow> rows);

}  // namespace tapedeck::app
