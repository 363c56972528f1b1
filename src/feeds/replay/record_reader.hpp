// src/feeds/replay/record_reader.hpp: cuts a stream of bytes into records: lines, or the elements
// of a JSON array. Holds one record at a time, of at most kRecordBytesMax.
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "feeds/replay/byte_stream.hpp"

namespace tapedeck::feeds::replay {

enum class Cut : std::uint8_t {
  kLines,      // ended by LF or CR LF
  kJsonArray,  // the values of one array; each is raw JSON, not yet checked
};

struct Record {
  enum class Kind : std::uint8_t {
    kWhole,
    kTooLong,  // text is its beginning; the reader goes on behind its end
    kEnd,
    kDamaged,  // nothing follows, see damage(); what there was of the last record is not given
  };
  Kind kind = Kind::kEnd;
  std::string_view text;     // until the next call; no line break, no byte order mark
  std::uint64_t number = 0;  // from 0; blank lines are counted too
  std::uint64_t line = 1;    // in which it begins, from 1
};

class RecordReader {
 public:
  static constexpr std::size_t kRecordBytesMax = 16u << 20;

  RecordReader(std::unique_ptr<ByteStream> bytes, Cut cut,
               std::size_t record_bytes_max = kRecordBytesMax);

  Record next();
  const Flaw& damage() const { return damage_; }

 private:
  void start();
  bool fill();
  bool find_end();
  bool find_end_of_element();
  Record next_line();
  Record next_element();
  Record after_array();
  Record skip_long();
  Record give(Record::Kind kind, std::string_view text);
  Record ended() const;
  Record stop(std::string_view reason, std::string detail);
  std::string_view pending() const { return {buffer_.data() + begin_, end_ - begin_}; }

  std::unique_ptr<ByteStream> bytes_;
  Cut cut_;
  std::size_t record_bytes_max_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;       // of the record in the buffer
  std::size_t scanned_ = 0;     // its end is not before here; where find_end() found it, it is here
  std::size_t end_ = 0;         // of what the buffer holds
  std::uint64_t number_ = 0;    // of the record at begin_
  std::uint64_t line_ = 1;      // at begin_
  std::string long_beginning_;  // of a record that is too long
  bool started_ = false;
  bool at_end_ = false;  // the stream has no more bytes
  bool done_ = false;
  Flaw damage_;
  // Inside of a JSON element.
  std::uint64_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  bool array_ended_ = false;
};

}  // namespace tapedeck::feeds::replay
