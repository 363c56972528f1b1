// bench/frames_bench.hpp: from a venue's frame to trades, beside simdjson alone.
#pragma once

#include <string>

namespace tapedeck::bench {

struct FramesArguments {
  std::string venue;
  std::string file;            // one JSON frame a line, perhaps behind its receive time and a blank
  bool simdjson_only = false;  // walks each frame with simdjson's on-demand parser, and no more
  double seconds = 1;
};

// Takes the frames of the file that are trades, again and again for so long, on one thread. Prints
// one JSON object: frames, trades, bytes, and the seconds they took.
void take_frames(const FramesArguments& arguments);

}  // namespace tapedeck::bench
