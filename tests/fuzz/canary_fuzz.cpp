// tests/fuzz/canary_fuzz.cpp: must fail. A feed that forgets to answer what begins with '{'.
#include "fuzz/checking_sink.hpp"

namespace {

using namespace tapedeck;

class ForgetfulFeed final : public feeds::Feed {
 public:
  explicit ForgetfulFeed(market::Catalog&) {}
  std::string_view venue() const override { return "forgetful"; }
  void on_frame(std::string_view frame, Timestamp, std::string_view,
                feeds::EventSink& sink) override {
    if (!frame.starts_with('{')) sink.control();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  tapedeck::feeds::fuzz_feed<ForgetfulFeed>({reinterpret_cast<const char*>(data), size});
  return 0;
}
