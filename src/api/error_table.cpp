#include "api/error_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace tapedeck::api {
namespace {

using enum ErrorEntry::Of;

constexpr ErrorEntry kTable[]{
    {"invalid_argument", kProgram, 400,
     "What is asked for cannot be: an option, a parameter or a setting.",
     "A name is misspelt, or a value is missing, given twice or out of its range.",
     "Correct what the message names: `--help` after a command and /api/v1/openapi.yaml list all "
     "that there is."},
    {"malformed", kProgram, 400, "The bytes are not what they claim to be.",
     "A file is of another format than its first lines promise, a pipeline file has errors, or a "
     "client does not speak HTTP.",
     "Look at the place that the message names. To the API, send HTTP/1.1 with a percent-encoded "
     "address, and messages as JSON objects."},
    {"not_found", kProgram, 404, "There is no such file, address, series or kind of bars.",
     "A path or a name is misspelt or relative to another folder, or the pipeline does not make "
     "such bars.",
     "Look at /api/v1/openapi.yaml for addresses and at /api/v1/instruments for series and bars; "
     "of "
     "a file, check its path."},
    {"already_exists", kProgram, 409, "It is there already.",
     "A folder or a file is taken that must be new.", "Nothing, or choose another name."},
    {"busy", kProgram, 409, "Somebody else holds what is needed.",
     "Another tapedeck writes this tape or store, or another program listens on the port.",
     "Wait a moment and ask again, stop the other one, or choose another folder or port."},
    {"permission", kProgram, 500, "The program may not read or write a file.",
     "The file or its folder belongs to another user.",
     "Make the file that the message names readable and writable for the program's user."},
    {"no_space", kProgram, 500, "The disk is full.",
     "The tape grows with what comes in, and there is no retention that bounds it.",
     "Make room on the disk, and set retention_age or retention_bytes. A pipeline goes on by "
     "itself."},
    {"io", kProgram, 500, "The disk or the network refused.",
     "A disk is failing or was unmounted, or a connection broke.",
     "Look at the message and at the state of the disk; then ask again."},
    {"corrupt", kProgram, 500, "Stored bytes are damaged.",
     "A disk changed bytes, a copy is incomplete, or a packed file was cut.",
     "Do what the message says: a store can be made again from its tape, `tapedeck tape repair` "
     "mends a tape, and a file is fetched again."},
    {"unavailable", kProgram, 503, "What is asked for is not there at the moment.",
     "The program is starting, or the other side of a connection is away.",
     "Ask again in a second."},
    {"timeout", kProgram, 503, "The answer would take longer than one may.",
     "A range is very long, or a SQL statement reads a whole table.",
     "Ask for less: a shorter range, fewer rows, a condition on an indexed column."},
    {"unsupported", kProgram, 500, "This pipeline or this release cannot do it.",
     "A file is of a newer format, an archive is encrypted or in parts, or the pipeline keeps no "
     "such thing.",
     "Use what the message names instead."},
    {"overflow", kProgram, 503, "The answer is larger than one may be, or a value does not fit.",
     "A range has very many rows, or a number has more digits than an exact decimal here holds.",
     "Ask for less at once, with a limit or a shorter range."},
    {"internal", kProgram, 0, "The program found a bug of its own, and stopped at once.",
     "Something that always holds did not. What was acknowledged is safe.",
     "Start it again, which is the recovery, and report the line that it printed."},

    {"unauthorised", kRequest, 401, "The token is missing or wrong.",
     "The address was opened without its end, or belongs to a program that has another token now.",
     "Open the address that the program printed, or send 'Authorization: Bearer TOKEN'."},
    {"forbidden", kRequest, 403, "The token is right, and its role may not do this.",
     "It is a viewer's, and this is for operators.",
     "Use the operator's token, which the program printed when it started."},
    {"wrong_host", kRequest, 403, "The request names a host that this server does not answer to.",
     "It came by another name of the machine, or through a proxy that is not configured.",
     "Open the address that the program printed, or add the name to `hosts` of `[api]`."},
    {"wrong_origin", kRequest, 403, "A page of another site asked.",
     "A page elsewhere has a link or a script to this address.",
     "Ask from this server's own page."},
    {"method_not_allowed", kRequest, 405, "The address is there, and does not take this method.",
     "GET and POST were mixed up.", "Use a method that the header Allow names."},
    {"upgrade_required", kRequest, 426, "The address is a WebSocket.",
     "It was asked for as a page.", "Connect with a WebSocket client."},
    {"header_too_large", kRequest, 431, "The header of the request is too large.",
     "Other programs of this host have set many cookies, or a SQL statement is in the address.",
     "Send fewer cookies and a shorter address; a long statement can be the body of a POST."},
    {"body_too_large", kRequest, 413, "The body of the request is too large.",
     "A SQL statement is over 16 KiB, or rows that are handed in are over 8 MiB.",
     "Send less at once: rows in several pieces, each under a key of its own."},
    {"too_many_requests", kRequest, 429, "Requests come faster than one connection may send them.",
     "A script polls in a loop without a pause.",
     "Ask less often, or use the WebSocket, which tells what changes."},
    {"too_busy", kRequest, 503, "More requests that take long wait than are let wait.",
     "Many clients ask for long ranges or for SQL at once, or rows are handed in faster than the "
     "disk takes them.",
     "Ask again in a second. Rows are sent again under the same Idempotency-Key, and count once."},

    {"bad_price", kRecord, 0, "The price of a record is none.",
     "It is no decimal, not above zero, or has more digits than an exact decimal here holds.",
     "Check that --map names the column of the price."},
    {"bad_size", kRecord, 0, "The size of a record is none.",
     "It is no decimal, negative, or has more digits than an exact decimal here holds.",
     "Check that --map names the column of the size."},
    {"bad_time", kRecord, 0, "The time of a record is none, or is before 1990 or after 2100.",
     "The unit is another: milliseconds were read as seconds.",
     "Name the unit in --map, such as time=ts:ms."},
    {"bad_symbol", kRecord, 0, "The instrument or the series of a record has no usable name.",
     "It is empty, too long, has characters that a name may not have, or was declared otherwise "
     "before.",
     "Give --symbol, or check the column of the symbol."},
    {"bad_id", kRecord, 0, "The identity of a record is none.",
     "The column of the ids holds something else, or is empty in some rows.",
     "Check that --map names the column of the id; without one, a row's place in its file is its "
     "identity. Rows that a program hands in need an id, or the header Idempotency-Key."},
    {"bad_sequence", kRecord, 0, "The venue's sequence of a record is no number.",
     "Another column was named.", "Check that --map names the column of the sequence."},
    {"bad_conditions", kRecord, 0, "The conditions of a record cannot be read.",
     "They are not written as this format writes them, or name a table that there is not.",
     "Look at the record in the quarantine, and at the format in the README of its feed."},
    {"missing_field", kRecord, 0, "A record lacks a field that it must have.",
     "The venue has changed its messages, or a line is cut.",
     "Look at the record in the quarantine; --map can name other columns."},
    {"unknown_message", kRecord, 0, "A frame is of a kind that the feed does not know.",
     "The venue has a new kind of message, or the capture holds another channel.",
     "Nothing, if it carries no trades. Else the feed has to learn it."},
    {"venue_error", kRecord, 0, "The venue itself said that something is wrong.",
     "A symbol is unknown to it, or a key is wrong.", "Do what its message says."},
    {"too_long", kRecord, 0, "A record is longer than any may be.",
     "The file has no ends of lines, or is not a text.", "Check what the file is."},
    {"truncated", kRecord, 0, "The file ends in the middle of something.",
     "A download or a copy was cut, or the file is still being written.",
     "Get the file again. What came before the cut was taken."},
    {"unreadable", kRecord, 0, "The system would not read the file.",
     "A disk is failing, or the file went away.", "Look at the message and at the disk."},
    {"empty", kRecord, 0, "There are no records in a file or a member of an archive.",
     "A day without trades, or an incomplete download.", "Nothing, if that is so."},
};

struct Group {
  ErrorEntry::Of of;
  std::string_view title;
  std::string_view text;
};
constexpr Group kGroups[]{
    {kProgram, "Of commands and pipelines",
     "A command prints `tapedeck: error[CODE]: ...` on standard error. The API answers the same "
     "codes."},
    {kRequest, "Of requests to the API", "What else the API answers."},
    {kRecord, "Of records that were refused",
     "A record that cannot be taken is set apart alone, counted by one of these reasons, and those "
     "around it are taken. `malformed`, `corrupt` and `unsupported` of above are reasons too."},
};

}  // namespace

std::span<const ErrorEntry> error_table() { return kTable; }

const ErrorEntry* find_error(std::string_view code) {
  const auto* found = std::ranges::find(kTable, code, &ErrorEntry::code);
  return found == std::end(kTable) ? nullptr : found;
}

std::string errors_markdown() {
  std::string out =
      "# Errors\n\n"
      "Every error has a code that does not change from one release to the next. `tapedeck "
      "explain` "
      "lists them, and\n`tapedeck explain CODE` says of one what is said here.\n\n"
      "A command ends with status 0 if all went well, 1 if it failed, 2 for wrong usage "
      "(`invalid_argument`), and 3 if\nit ran to its end and some of its input was refused or is "
      "damaged.\n";
  for (const Group& group : kGroups) {
    fmt::format_to(std::back_inserter(out), "\n## {}\n\n{}\n", group.title, group.text);
    for (const ErrorEntry& entry : kTable) {
      if (entry.of != group.of) continue;
      const std::string status =
          entry.http_status == 0 ? "" : fmt::format(" (HTTP {})", entry.http_status);
      fmt::format_to(std::back_inserter(out),
                     "\n### {}\n\n{}{}\n\n- Usually: {}\n- What to do: {}\n", entry.code,
                     entry.meaning, status, entry.cause, entry.action);
    }
  }
  return out;
}

}  // namespace tapedeck::api
