// src/store/embedded/sqlite_store.hpp: the store in one SQLite file (WAL, STRICT tables). Anybody
// may read the file with sqlite3 while it is in use. Exact: decimals are canonical text.
// A power cut can undo the newest writes, never a part of one: `applied` tells from where to
// replay. Thread: as store.hpp says; readers see the last complete write.
#pragma once

#include <memory>
#include <string>

#include "base/time.hpp"
#include "store/store.hpp"

namespace tapedeck::store::embedded {

// Creates the file where missing, not its folder. Another process that holds the file is waited for
// as long as `busy_wait`. Errors name the path and say what to do: kNotFound (no such folder),
// kPermission, kNoSpace, kIo, kBusy, kCorrupt (damaged, or not ours), kUnsupported (of a later
// release).
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path,
                                                 Duration busy_wait = seconds(5));

}  // namespace tapedeck::store::embedded
