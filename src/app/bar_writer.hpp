// src/app/bar_writer.hpp: bars as text, for people and their programs.
#pragma once

#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "market/bar.hpp"

namespace tapedeck::app {

enum class BarFormat { kCsv, kJson, kNdjson };
Result<BarFormat> parse_bar_format(std::string_view text);

// All of `rows`, with header or brackets where the format has them.
std::string render_bars(std::span<const market::BarRow> rows, BarFormat format);

}  // namespace tapedeck::app
