// src/config/nearest.hpp: what a mistyped word may have meant.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tapedeck::config {

// Letters to insert, remove, replace or swap with a neighbour to make `b` of `a`.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The known word that is nearest to `word`, if any is near. Capital or small makes no difference.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);

// "'latness' is not known: did you mean 'lateness'?", or else all that are known.
std::string not_known(std::string_view word, std::span<const std::string> known);

}  // namespace tapedeck::config
