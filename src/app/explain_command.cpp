#include <fmt/format.h>

#include "api/error_table.hpp"
#include "app/commands.hpp"

namespace tapedeck::app {
namespace {

std::string_view words_of(api::ErrorEntry::Of of) {
  switch (of) {
    case api::ErrorEntry::Of::kProgram:
      return "of a command or a pipeline";
    case api::ErrorEntry::Of::kRequest:
      return "of a request to the API";
    case api::ErrorEntry::Of::kRecord:
      return "of a record that was refused";
  }
  return "";
}

}  // namespace

int explain(const std::string& code) {
  if (code.empty()) {
    for (const api::ErrorEntry& entry : api::error_table()) {
      fmt::print("{:<20} {}\n", entry.code, entry.meaning);
    }
    fmt::print(
        "\nThe exit status of a command is 0 if all went well, 1 if it failed, 2 for wrong usage, "
        "and\n3 if it ran to its end and some of its input was refused or is damaged.\n");
    return kExitOk;
  }
  const api::ErrorEntry* entry = api::find_error(code);
  if (entry == nullptr) {
    return report({ErrorCode::kInvalidArgument,
                   fmt::format("there is no error '{}': `tapedeck explain` lists them all", code)});
  }
  fmt::print("{}, {}{}\n{}\n\nUsually: {}\nWhat to do: {}\n", entry->code, words_of(entry->of),
             entry->http_status == 0 ? "" : fmt::format(", HTTP {}", entry->http_status),
             entry->meaning, entry->cause, entry->action);
  return kExitOk;
}

}  // namespace tapedeck::app
