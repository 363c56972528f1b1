// src/base/wide.hpp: 128-bit integers, a compiler extension, under one name each.
#pragma once

namespace tapedeck {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

}  // namespace tapedeck
