// src/api/error_table.hpp: the codes of errors that the API answers with, and what each means.
#pragma once

#include <span>
#include <string_view>

namespace tapedeck::api {

struct ErrorEntry {
  std::string_view code;
  std::string_view meaning;
  std::string_view action;  // what to do about it, whatever the message names
};

std::span<const ErrorEntry> error_table();
const ErrorEntry* find_error(std::string_view code);  // null: there is none

}  // namespace tapedeck::api
