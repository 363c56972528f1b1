// tests/fuzz/archive_fuzz.cpp: any bytes as a zip, gz or zst.
#include "base/check.hpp"
#include "base/memory_disk.hpp"
#include "feeds/replay/archive.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace tapedeck;
  using namespace tapedeck::feeds::replay;
  MemoryDisk disk;
  TD_CHECK(disk.create_directories("d"));
  auto file = disk.open("d/x", OpenMode::kCreate);
  TD_CHECK(file && (*file)->append({reinterpret_cast<const char*>(data), size}));
  const auto members = list_members(**file, "d/x");
  if (!members) return 0;
  for (std::size_t i = 0; i < members->size() && i < 4; ++i) {
    auto stream = open_member(**file, (*members)[i]);
    if (!stream) continue;
    char piece[4096];
    for (int pieces = 0; pieces < 256; ++pieces) {  // a bomb is not unpacked to its end here
      const auto got = (*stream)->read(piece, sizeof piece);
      if (!got || *got == 0) break;
    }
  }
  return 0;
}
