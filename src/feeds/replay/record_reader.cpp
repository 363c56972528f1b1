#include "feeds/replay/record_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace tapedeck::feeds::replay {
namespace {

constexpr std::size_t kReadBytes = 64u << 10;
constexpr std::size_t kBeginningBytes = 256;
constexpr std::string_view kBlank = " \t\r\n";
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::uint64_t count_lines(std::string_view text) {
  return static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
}

}  // namespace

RecordReader::RecordReader(std::unique_ptr<ByteStream> bytes, Cut cut, std::size_t record_bytes_max)
    : bytes_(std::move(bytes)),
      cut_(cut),
      record_bytes_max_(record_bytes_max),
      buffer_(2 * kReadBytes) {}

Record RecordReader::next() {
  if (!started_) {
    started_ = true;
    start();
  }
  if (done_) return ended();
  return cut_ == Cut::kLines ? next_line() : next_element();
}

// Past a byte order mark and, of an array, past its bracket.
void RecordReader::start() {
  while (end_ < kByteOrderMark.size() && fill()) {
  }
  if (pending().starts_with(kByteOrderMark)) begin_ = scanned_ = kByteOrderMark.size();
  if (cut_ == Cut::kLines) return;
  while (!done_) {
    const auto first = pending().find_first_not_of(kBlank);
    line_ += count_lines(pending().substr(0, first));
    if (first != std::string_view::npos) {
      if (pending()[first] != '[') stop("corrupt", "it is no JSON array: it does not begin with [");
      begin_ = scanned_ = begin_ + first + 1;
      return;
    }
    begin_ = scanned_ = end_;
    if (!fill() && !done_) stop("truncated", "the JSON array is incomplete: it is missing");
  }
}

Record RecordReader::next_line() {
  while (!find_end()) {
    if (end_ - begin_ > record_bytes_max_) return skip_long();
    if (fill()) continue;
    if (done_) return ended();
    if (begin_ == end_) {
      done_ = true;
      return ended();
    }
    break;  // the last line may lack its line break
  }
  if (scanned_ - begin_ > record_bytes_max_) return skip_long();
  return give(Record::Kind::kWhole, pending().substr(0, scanned_ - begin_));
}

Record RecordReader::next_element() {
  if (array_ended_) return after_array();
  while (!find_end()) {
    if (end_ - begin_ > record_bytes_max_) return skip_long();
    if (fill()) continue;
    if (done_) return ended();
    return stop("truncated", "the JSON array is incomplete: its end is missing");
  }
  if (scanned_ - begin_ > record_bytes_max_) return skip_long();
  const std::string_view element = pending().substr(0, scanned_ - begin_);
  if (array_ended_ && number_ == 0 && trim(element).empty()) {  // "[]" holds nothing
    begin_ = ++scanned_;
    return after_array();
  }
  return give(Record::Kind::kWhole, element);
}

// Behind the array's last bracket.
Record RecordReader::after_array() {
  do {
    const auto rest = pending().find_first_not_of(kBlank);
    if (rest != std::string_view::npos) {
      return stop("corrupt", fmt::format("bytes follow the end of the JSON array in line {}",
                                         line_ + count_lines(pending().substr(0, rest))));
    }
    line_ += count_lines(pending());
    begin_ = scanned_ = end_;
  } while (fill());
  done_ = true;
  return ended();
}

// False: there are no more bytes, or they are damaged (then it is done).
bool RecordReader::fill() {
  if (at_end_ || done_) return false;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  scanned_ -= begin_;
  end_ -= begin_;
  begin_ = 0;
  if (buffer_.size() - end_ < kReadBytes) buffer_.resize(2 * buffer_.size());
  auto got = bytes_->read(buffer_.data() + end_, buffer_.size() - end_);
  if (!got) {
    stop(got.error().reason, std::move(got.error().detail));
    return false;
  }
  at_end_ = *got == 0;
  end_ += *got;
  return !at_end_;
}

// True: the record ends at scanned_. False: it goes on behind what the buffer holds.
bool RecordReader::find_end() {
  if (cut_ == Cut::kJsonArray) return find_end_of_element();
  const auto* found =
      static_cast<const char*>(std::memchr(buffer_.data() + scanned_, '\n', end_ - scanned_));
  scanned_ = found != nullptr ? static_cast<std::size_t>(found - buffer_.data()) : end_;
  return found != nullptr;
}

bool RecordReader::find_end_of_element() {
  for (; scanned_ < end_; ++scanned_) {
    const char c = buffer_[scanned_];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      continue;
    }
    if (depth_ == 0 && (c == ',' || c == ']')) {
      array_ended_ = c == ']';
      return true;
    }
    if (c == '"') in_string_ = true;
    if (c == '[' || c == '{') ++depth_;
    if ((c == ']' || c == '}') && depth_ > 0) --depth_;
  }
  return false;
}

// Lets go of all but the beginning of the record, until its end is seen.
Record RecordReader::skip_long() {
  long_beginning_ = pending().substr(0, kBeginningBytes);
  const std::uint64_t line = line_;
  while (!find_end()) {
    line_ += count_lines(pending());
    begin_ = end_;
    if (fill()) continue;
    if (done_) return ended();
    break;
  }
  Record record = give(Record::Kind::kTooLong, {});
  record.text = long_beginning_;
  record.line = line;
  return record;
}

// The record ends at scanned_.
Record RecordReader::give(Record::Kind kind, std::string_view text) {
  Record record{kind, text, number_++, line_};
  if (cut_ == Cut::kLines) {
    if (record.text.ends_with('\r')) record.text.remove_suffix(1);
    ++line_;
  } else {
    const std::string_view consumed = pending().substr(0, scanned_ - begin_);
    record.line += count_lines(consumed.substr(0, consumed.find_first_not_of(kBlank)));
    record.text = trim(text);
    line_ += count_lines(consumed);
  }
  begin_ = scanned_ = std::min(scanned_ + 1, end_);
  return record;
}

Record RecordReader::ended() const {
  const bool damaged = !damage_.reason.empty();
  return {damaged ? Record::Kind::kDamaged : Record::Kind::kEnd, {}, number_, line_};
}

Record RecordReader::stop(std::string_view reason, std::string detail) {
  done_ = true;
  damage_ = {reason, std::move(detail)};
  return ended();
}

}  // namespace tapedeck::feeds::replay
