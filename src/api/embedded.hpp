// src/api/embedded.hpp: the files that the program carries in itself: openapi.yaml and, below
// "page/", the dashboard. Written by embed.cmake while building.
#pragma once

#include <span>
#include <string_view>

namespace tapedeck::api {

struct EmbeddedFile {
  std::string_view name;  // "page/index.html"
  std::string_view content;
  std::string_view sha256;  // of the content, in hex
};

std::span<const EmbeddedFile> embedded_files();
const EmbeddedFile* find_embedded(std::string_view name);  // null: there is none

}  // namespace tapedeck::api
