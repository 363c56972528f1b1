#include "store/embedded/connection.hpp"

namespace tapedeck::store::embedded {

Result<std::unique_ptr<Connection>> Connection::open(Disk& disk, const std::string& path, int flags,
                                                     Duration busy_wait) {
  auto connection = std::make_unique<Connection>(disk, path);
  const int code =
      sqlite3_open_v2(DiskVfs::name_of(path).c_str(), &connection->db_,
                      flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, connection->vfs_.name());
  if (code != SQLITE_OK) return connection->failed("cannot be opened");
  const std::int64_t busy_wait_ms = busy_wait.ns / milliseconds(1).ns;
  sqlite3_busy_timeout(connection->db_, static_cast<int>(busy_wait_ms));
  TD_TRY(connection->run("PRAGMA temp_store = MEMORY"));
  return connection;
}

std::unexpected<Error> Connection::failed(std::string_view what) const {
  return failed(what, db_ == nullptr ? SQLITE_NOMEM : sqlite3_extended_errcode(db_));
}
std::unexpected<Error> Connection::failed(std::string_view what, int extended) const {
  const auto& error = vfs_.error();
  const std::string message = error            ? error->message
                              : db_ == nullptr ? sqlite3_errstr(extended)
                                               : sqlite3_errmsg(db_);
  const auto told = [&](ErrorCode code) {
    return refused(code, fmt::format("{} ({}): {}", what, message, advice(code)));
  };
  switch (extended & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return told(ErrorCode::kBusy);
    case SQLITE_ERROR:  // our own statements fail on tables that are not as we made them
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
      return told(ErrorCode::kCorrupt);
    case SQLITE_FULL:
      return told(ErrorCode::kNoSpace);
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return told(ErrorCode::kPermission);
    default:
      return told(error ? error->code : ErrorCode::kIo);
  }
}

std::string_view Connection::advice(ErrorCode code) {
  switch (code) {
    case ErrorCode::kBusy:
      return "another process is writing to it: end that one first";
    case ErrorCode::kCorrupt:
      return kRebuild;
    case ErrorCode::kNoSpace:
      return "make room on the disk";
    case ErrorCode::kPermission:
      return "make the file and its folder writable";
    case ErrorCode::kNotFound:
      return "create its folder first";
    default:
      return "look at the disk and the memory of this machine";
  }
}

}  // namespace tapedeck::store::embedded
