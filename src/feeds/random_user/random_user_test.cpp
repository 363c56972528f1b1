#include "feeds/random_user/random_user.hpp"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <set>
#include <string>

namespace tapedeck::feeds::random_user {
namespace {

VenueAnswer ask(std::string_view path, const Parameters& query, std::uint64_t before = 0) {
  return emulation().answer(
      {.path = path, .query = query, .happened = {}, .symbols = {}, .asked_before = before});
}

TEST(RandomUser, MakesUpPersonsAsTheDocumentationHasThem) {
  const VenueAnswer answer = ask("/api/1.4/", {{"results", "200"}});
  EXPECT_EQ(answer.status, 200);
  simdjson::dom::parser parser;
  const simdjson::dom::element said = parser.parse(answer.body);
  const simdjson::dom::array persons = said["results"];
  ASSERT_EQ(persons.size(), 200u);
  std::set<std::string_view> ids, countries;
  bool has_text_postcode = false, has_number_postcode = false, has_null = false;
  for (const simdjson::dom::element person : persons) {
    ids.insert(std::string_view(person["login"]["uuid"]));
    EXPECT_EQ(std::string_view(person["login"]["uuid"]).size(), 36u);
    EXPECT_EQ(std::string_view(person["login"]["sha256"]).size(), 64u);
    countries.insert(std::string_view(person["nat"]));
    (person["location"]["postcode"].is_string() ? has_text_postcode : has_number_postcode) = true;
    has_null |= person["id"]["value"].is_null();
    EXPECT_FALSE(std::string_view(person["name"]["first"]).empty());
    EXPECT_TRUE(person["dob"]["age"].is_int64());
    EXPECT_TRUE(std::string_view(person["picture"]["large"]).starts_with("https://"));
  }
  EXPECT_EQ(ids.size(), 200u);
  EXPECT_EQ(countries.size(), 5u);
  EXPECT_TRUE(has_text_postcode && has_number_postcode && has_null);
  EXPECT_EQ(std::uint64_t(said["info"]["results"]), 200u);
}

TEST(RandomUser, ASeedIsTheSamePersonsAndAnotherCallOthers) {
  EXPECT_EQ(ask("/api/", {{"seed", "abc"}}, 1).body, ask("/api", {{"seed", "abc"}}, 2).body);
  EXPECT_NE(ask("/api/", {{"seed", "abc"}}).body,
            ask("/api/", {{"seed", "abc"}, {"page", "2"}}).body);
  EXPECT_NE(ask("/api/", {}, 1).body, ask("/api/", {}, 2).body);
  const std::string british = ask("/api/", {{"nat", "gb"}, {"results", "20"}}).body;
  EXPECT_EQ(british.find(R"("nat":"US")"), british.npos);
  EXPECT_NE(british.find(R"("nat":"GB")"), british.npos);
  EXPECT_EQ(ask("/other", {}).status, 404);
}

}  // namespace
}  // namespace tapedeck::feeds::random_user
