// src/store/embedded/sqlite_store.hpp: the store in one SQLite file (WAL, STRICT tables) on a Disk.
// Anybody may read the file with sqlite3 while it is in use. Exact: decimals are canonical text.
// A power cut can undo the writes since the last sync, the newest first and never a part of one:
// the checkpoint tells from where to replay. Each page carries a checksum: damage is an error.
// Thread: as store.hpp says; readers see the last complete write and wait for nobody.
#pragma once

#include <memory>
#include <string>

#include "base/disk.hpp"
#include "base/time.hpp"
#include "store/store.hpp"

namespace tapedeck::store::embedded {

// Creates the file where missing, not its folder. `disk` outlives the store. One program writes,
// others get kBusy at once; another kind of program that locks the file is waited for as long as
// `busy_wait`. A file of an earlier release is renamed (".schema-1" is added) and a new one begun.
// Errors name the path and say what to do: kNotFound (no such folder), kPermission, kNoSpace, kIo,
// kBusy, kCorrupt (damaged, or not ours), kUnsupported (of a later release).
Result<std::unique_ptr<Store>> open_sqlite_store(Disk& disk, const std::string& path,
                                                 Duration busy_wait = seconds(5));

// To read a file that exists, beside the program that writes it or alone. It needs to write beside
// the file ("-shm"), where who reads and who writes tell each other so.
Result<std::unique_ptr<const Store>> open_sqlite_reader(Disk& disk, const std::string& path,
                                                        Duration busy_wait = seconds(5));

}  // namespace tapedeck::store::embedded
