#include "api/error_table.hpp"

#include <algorithm>

namespace tapedeck::api {
namespace {

constexpr ErrorEntry kTable[]{
    {"invalid_argument", "A parameter is missing, unknown, given twice or out of its range.",
     "Correct the parameter that the message names; /api/v1/openapi.yaml lists them all."},
    {"malformed", "The bytes are not what they claim to be.",
     "Send HTTP/1.1, percent-encode the address, and send messages as JSON objects."},
    {"not_found", "There is no such address, series or kind of bars.",
     "Look at /api/v1/openapi.yaml for addresses and at /api/v1/instruments for series and bars."},
    {"already_exists", "It is there already.", "Nothing, or choose another name."},
    {"busy", "Somebody else holds what is needed.", "Wait a moment and ask again."},
    {"permission", "The program may not read or write a file.",
     "Make the file that the message names readable and writable for the program's user."},
    {"no_space", "The disk is full.", "Make room on the disk; the program goes on by itself."},
    {"io", "The disk or the network refused.",
     "Look at the message and at the state of the disk; then ask again."},
    {"corrupt", "Stored bytes are damaged.",
     "Do what the message says: a store can be made again from its tape, and `tapedeck tape "
     "repair` mends a tape."},
    {"unavailable", "What is asked for is not there at the moment.", "Ask again in a second."},
    {"timeout", "The answer would take longer than one may.",
     "Ask for less: a shorter range, fewer rows, a condition on an indexed column."},
    {"unsupported", "This pipeline or this release cannot do it.",
     "Use what the message names instead."},
    {"overflow", "The answer is larger than one may be, or a value does not fit.",
     "Ask for less at once, with a limit or a shorter range."},
    {"unauthorised", "The token is missing or wrong.",
     "Open the address that the program printed, or send 'Authorization: Bearer TOKEN'."},
    {"forbidden", "The token is right, and its role may not do this.",
     "Use the operator's token, which the program printed when it started."},
    {"wrong_host", "The request names a host that this server does not answer to.",
     "Open the address that the program printed, or add the name to the allowed hosts."},
    {"wrong_origin", "A page of another site asked.", "Ask from this server's own page."},
    {"method_not_allowed", "The address is there, and does not take this method.",
     "Use a method that the header Allow names."},
    {"upgrade_required", "The address is a WebSocket.", "Connect with a WebSocket client."},
    {"header_too_large", "The header of the request is too large.",
     "Send fewer cookies and a shorter address; a long statement can be the body of a POST."},
    {"body_too_large", "The body of the request is too large.", "Send less at once."},
    {"too_many_requests", "Requests come faster than one connection may send them.",
     "Ask less often, or use the WebSocket, which tells what changes."},
    {"too_busy", "More requests that take long wait than are let wait.", "Ask again in a second."},
};

}  // namespace

std::span<const ErrorEntry> error_table() { return kTable; }

const ErrorEntry* find_error(std::string_view code) {
  const auto* found = std::ranges::find(kTable, code, &ErrorEntry::code);
  return found == std::end(kTable) ? nullptr : found;
}

}  // namespace tapedeck::api
