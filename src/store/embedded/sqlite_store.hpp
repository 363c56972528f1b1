// src/store/embedded/sqlite_store.hpp: the store in one SQLite file (WAL, STRICT tables).
// Exact: decimals are kept as canonical text.
#pragma once

#include <memory>
#include <string>

#include "store/store.hpp"

namespace tapedeck::store::embedded {

// Creates the file where missing. Errors: kPermission, kNotFound, kIo naming the path; kCorrupt;
// kUnsupported for a file of a later release.
Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path);

}  // namespace tapedeck::store::embedded
