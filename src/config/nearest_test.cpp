#include "config/nearest.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace tapedeck::config {
namespace {

TEST(EditDistance, CountsLetters) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("venue", "veneu"), 1u);  // swapped
  EXPECT_EQ(edit_distance("lateness", "latness"), 1u);
}

TEST(Nearest, FindsWhatIsNear) {
  const std::vector<std::string> known{"interval", "lateness", "session"};
  EXPECT_EQ(nearest("latness", known), "lateness");
  EXPECT_EQ(nearest("sesion", known), "session");
  EXPECT_EQ(nearest("Interval", known), "interval");
  EXPECT_EQ(nearest("port", known), std::nullopt);
  EXPECT_EQ(nearest("", known), std::nullopt);
  EXPECT_EQ(nearest(std::string(100'000, 'x'), known), std::nullopt);
}

TEST(NotKnown, SaysWhatToWrite) {
  const std::vector<std::string> known{"text", "json"};
  EXPECT_EQ(not_known("jsn", known), "'jsn' is not known: did you mean 'json'?");
  EXPECT_EQ(not_known("xml!", known), "'xml!' is not known: use one of text, json");
  EXPECT_EQ(not_known("kafka", std::vector<std::string>{"embedded"}),
            "'kafka' is not known: use embedded");
}

}  // namespace
}  // namespace tapedeck::config
