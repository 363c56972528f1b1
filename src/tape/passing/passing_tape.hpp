// src/tape/passing/passing_tape.hpp: a tape that keeps nothing: events get their offsets and pass
// on to one reader, once. For `replay` without a folder, where the input files are the log. Thread:
// as tape.hpp says. Memory: what was committed and not yet read.
#pragma once

#include <memory>

#include "tape/tape.hpp"

namespace tapedeck::tape::passing {

std::unique_ptr<Tape> make_passing_tape();

}  // namespace tapedeck::tape::passing
