# Writes OUTPUT, the definition of embedded_files() of embedded.hpp, from MANIFEST: a line
# "name|path" for each file.
file(STRINGS "${MANIFEST}" entries)
set(arrays "")
set(rows "")
set(index 0)
foreach(entry IN LISTS entries)
  string(FIND "${entry}" "|" bar)
  string(SUBSTRING "${entry}" 0 ${bar} name)
  math(EXPR begin "${bar} + 1")
  string(SUBSTRING "${entry}" ${begin} -1 path)
  file(READ "${path}" hex HEX)
  file(SHA256 "${path}" sha256)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  # The byte at the end is not part of the content: an array may not be empty.
  string(APPEND arrays "const unsigned char kBytes${index}[] = {${bytes}0};\n")
  string(APPEND rows "    {\"${name}\", text(kBytes${index}), \"${sha256}\"},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE "${OUTPUT}" "// Written by embed.cmake.
#include \"api/embedded.hpp\"

#include <cstddef>

namespace tapedeck::api {
namespace {

template <std::size_t kSize>
std::string_view text(const unsigned char (&bytes)[kSize]) {
  return {reinterpret_cast<const char*>(bytes), kSize - 1};
}

${arrays}
}  // namespace

std::span<const EmbeddedFile> embedded_files() {
  static const EmbeddedFile files[] = {
${rows}  };
  return files;
}

const EmbeddedFile* find_embedded(std::string_view name) {
  for (const EmbeddedFile& file : embedded_files()) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

}  // namespace tapedeck::api
")
