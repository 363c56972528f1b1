#include "feeds/random_user/random_user.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/log.hpp"
#include "base/rng.hpp"
#include "base/sha256.hpp"

namespace tapedeck::feeds::random_user {
namespace {

constexpr std::uint64_t kMost = 5000;  // persons of an answer
constexpr int kThisYear = 2024;        // of their ages, which must not change

struct Country {
  std::string_view code, name, city, state, street;
  std::string_view id_name;  // empty: there are no numbers of persons
  bool has_number_postcode;  // else its postcodes are text
  std::array<std::string_view, 3> women, men, last;
};
constexpr std::array<Country, 5> kCountries{{{"GB",
                                              "United Kingdom",
                                              "Leeds",
                                              "West Yorkshire",
                                              "Mill Lane",
                                              "NINO",
                                              false,
                                              {"Alice", "Grace", "Holly"},
                                              {"Arthur", "Harvey", "Owen"},
                                              {"Barker", "Fletcher", "Whitfield"}},
                                             {"US",
                                              "United States",
                                              "Tucson",
                                              "Arizona",
                                              "Cedar Street",
                                              "SSN",
                                              true,
                                              {"Nora", "Paula", "Ruth"},
                                              {"Calvin", "Wade", "Terry"},
                                              {"Dawson", "Harper", "Sutton"}},
                                             {"BR",
                                              "Brazil",
                                              "S\u00e3o Vicente",
                                              "Goi\u00e1s",
                                              "Rua das Flores ",
                                              "CPF",
                                              true,
                                              {"Beatriz", "Fl\u00e1via", "Lu\u00edza"},
                                              {"Caetano", "Ot\u00e1vio", "Sim\u00e3o"},
                                              {"Ara\u00fajo", "Moreira", "da Concei\u00e7\u00e3o"}},
                                             {"CH",
                                              "Switzerland",
                                              "Z\u00fcrich",
                                              "Z\u00fcrich",
                                              "Rue de l'\u00c9glise",
                                              "AVS",
                                              true,
                                              {"Heidi", "No\u00eblle", "Ursula"},
                                              {"J\u00fcrg", "Luca", "Beno\u00eet"},
                                              {"M\u00fcller", "Favre", "Bernasconi"}},
                                             {"DE",
                                              "Germany",
                                              "G\u00f6rlitz",
                                              "Sachsen",
                                              "Gartenstra\u00dfe",
                                              "",
                                              true,
                                              {"Greta", "K\u00e4the", "Sabine"},
                                              {"Bernd", "J\u00f6rg", "Uwe"},
                                              {"Kr\u00e4mer", "Lindner", "Wei\u00df"}}}};

class Person {
 public:
  Person(Rng& rng, const Country& country) : rng_(rng), country_(country) {}

  std::string json() {
    const bool is_woman = rng_.below(2) == 0;
    const std::string_view first = pick(is_woman ? country_.women : country_.men);
    const std::string_view last = pick(country_.last);
    const std::string user = fmt::format("{}{}", "reader", number(100, 1000));
    const std::string password = hex(8);
    const std::string salt = hex(8);
    const int born = static_cast<int>(number(1945, 2004));
    const int since = static_cast<int>(number(2003, 2023));
    const std::uint64_t picture = number(0, 100);
    const std::string_view folder = is_woman ? "women" : "men";
    std::string out = fmt::format(
        R"({{"gender":"{}","name":{{"title":"{}","first":{},"last":{}}},)",
        is_woman ? "female" : "male", is_woman ? "Ms" : "Mr", json_quote(first), json_quote(last));
    out += fmt::format(
        R"("location":{{"street":{{"number":{},"name":{}}},"city":{},"state":{},"country":{},)",
        number(1, 9999), json_quote(country_.street), json_quote(country_.city),
        json_quote(country_.state), json_quote(country_.name));
    out += country_.has_number_postcode
               ? fmt::format(R"("postcode":{},)", number(1000, 99999))
               : fmt::format(R"("postcode":"LS{} {}AB",)", number(1, 30), number(1, 10));
    out += fmt::format(R"("coordinates":{{"latitude":"{}.{:04}","longitude":"-{}.{:04}"}},)"
                       R"("timezone":{{"offset":"+1:00","description":"Central Europe"}}}},)",
                       number(0, 90), number(0, 10000), number(0, 180), number(0, 10000));
    out += fmt::format(
        R"("email":"{}@example.com","login":{{"uuid":"{}-{}-4{}-8{}-{}","username":"{}",)"
        R"("password":"{}","salt":"{}","md5":"{}","sha1":"{}","sha256":"{}"}},)",
        user, hex(8), hex(4), hex(3), hex(3), hex(12), user, password, salt, hex(32), hex(40),
        sha256_hex(password + salt));
    out += fmt::format(
        R"("dob":{{"date":"{}","age":{}}},"registered":{{"date":"{}","age":{}}},)"
        R"("phone":"0{}-{}","cell":"0{}-{}","id":{{"name":"{}","value":{}}},)",
        date(born), kThisYear - born, date(since), kThisYear - since, number(100, 1000),
        number(10000, 100000), number(700, 800), number(10000, 100000), country_.id_name,
        country_.id_name.empty() ? "null" : fmt::format(R"("{}")", number(100000, 1000000)));
    out += fmt::format(
        R"("picture":{{"large":"https://randomuser.me/api/portraits/{0}/{1}.jpg",)"
        R"("medium":"https://randomuser.me/api/portraits/med/{0}/{1}.jpg",)"
        R"("thumbnail":"https://randomuser.me/api/portraits/thumb/{0}/{1}.jpg"}},"nat":"{2}"}})",
        folder, picture, country_.code);
    return out;
  }

 private:
  std::uint64_t number(std::uint64_t from, std::uint64_t to) {
    return from + rng_.below(to - from);
  }
  std::string_view pick(const std::array<std::string_view, 3>& all) {
    return all.at(rng_.below(all.size()));
  }
  std::string hex(std::size_t digits) {
    std::string out;
    for (std::size_t i = 0; i < digits; ++i) out += "0123456789abcdef"[rng_.below(16)];
    return out;
  }
  std::string date(int year) {
    return fmt::format("{}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", year, number(1, 13),
                       number(1, 29), number(0, 24), number(0, 60), number(0, 60), number(0, 1000));
  }

  Rng& rng_;
  const Country& country_;
};

VenueAnswer answer(const VenueQuestion& question) {
  std::string_view path = question.path;
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path != "/api" && path != "/api/1.4") {
    return {.status = 404, .body = R"({"error":"Uh oh, there is nothing here."})"};
  }
  const std::uint64_t results =
      std::clamp<std::uint64_t>(number_or(parameter(question.query, "results"), 1), 1, kMost);
  const std::uint64_t page =
      std::max<std::uint64_t>(number_or(parameter(question.query, "page"), 1), 1);
  std::string seed(parameter(question.query, "seed"));
  if (seed.empty()) seed = sha256_hex(fmt::format("{}", question.asked_before)).substr(0, 16);
  Rng rng(sha256_numbers(fmt::format("{} {}", seed, page)).first);
  const std::string_view wanted = parameter(question.query, "nat");
  const auto* const country = std::ranges::find_if(kCountries, [&](const Country& one) {
    return wanted.size() == 2 && (wanted[0] & ~0x20) == one.code[0] &&
           (wanted[1] & ~0x20) == one.code[1];
  });
  std::string persons;
  for (std::uint64_t i = 0; i < results; ++i) {
    const Country& of =
        country != kCountries.end() ? *country : kCountries.at(rng.below(kCountries.size()));
    persons += (persons.empty() ? "" : ",") + Person(rng, of).json();
  }
  return {.body = fmt::format(
              R"({{"results":[{}],"info":{{"seed":{},"results":{},"page":{},"version":"1.4"}}}})",
              persons, json_quote(seed), results, page)};
}

}  // namespace

Emulation emulation() {
  return {.path = "/api/1.4/",
          .answer = answer,
          .begins_play = "/api",
          .has_trades = false,
          .quota = R"({"error":"Uh oh, something has gone wrong."})"};
}

}  // namespace tapedeck::feeds::random_user
