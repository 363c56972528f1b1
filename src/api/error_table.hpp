// src/api/error_table.hpp: every code of an error that the program tells, and what it means. The
// API, the command line and docs/reference/errors.md say the same.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tapedeck::api {

struct ErrorEntry {
  enum class Of {
    kProgram,  // a command or a pipeline; an ErrorCode, and "internal"
    kRequest,  // what the API does not take
    kRecord,   // the reason for which a record of the input is set apart
  };
  std::string_view code;
  Of of;
  int http_status;  // 0: never an answer of the API
  std::string_view meaning;
  std::string_view cause;   // why it usually happens
  std::string_view action;  // what to do about it, whatever the message names
};

std::span<const ErrorEntry> error_table();
const ErrorEntry* find_error(std::string_view code);  // null: there is none

// docs/reference/errors.md
std::string errors_markdown();

}  // namespace tapedeck::api
