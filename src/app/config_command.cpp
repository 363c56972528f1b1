#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "app/commands.hpp"
#include "app/options.hpp"
#include "app/registry.hpp"
#include "base/clock.hpp"
#include "base/disk.hpp"
#include "base/machine.hpp"
#include "config/config.hpp"

namespace tapedeck::app {
namespace {

constexpr std::uint64_t kConfigBytesMax = 1u << 20;

Result<std::string> read_text(const std::string& path) {
  const auto disk = real_disk();
  TD_ASSIGN(const auto file, disk->open(path, OpenMode::kRead));
  TD_ASSIGN(const std::uint64_t size, file->size());
  if (size > kConfigBytesMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' has {} bytes: a pipeline file has at most {}", path, size,
                            kConfigBytesMax));
  }
  std::string text(size, '\0');
  TD_ASSIGN(const std::size_t got, file->read_at(0, text.data(), text.size()));
  text.resize(got);
  return text;
}

}  // namespace

Result<config::Config> load_config(const std::string& path, bool insecure) {
  TD_ASSIGN(const std::string text, read_text(path));
  const config::Surroundings surroundings{.environment = config::process_environment,
                                          .venues = venues(),
                                          .is_container = real_machine()->is_container(),
                                          .insecure = insecure};
  config::ParsedConfig parsed = config::parse_config(text, path, surroundings);
  std::size_t errors = 0;
  for (const config::ConfigProblem& problem : parsed.problems) {
    fmt::print(stderr, "{}\n", printable(to_string(problem)));
    if (problem.severity == config::ConfigProblem::Severity::kError) ++errors;
  }
  if (parsed.usable()) return std::move(parsed.config);
  return fail(ErrorCode::kMalformed,
              fmt::format("'{}' has {} error{}: see above", path, errors, errors == 1 ? "" : "s"));
}

int check_config(const std::string& path) {
  const auto config = load_config(path);
  if (!config) return report(config.error());
  if (const auto tls = tls_identity(config->api, SystemClock().now()); !tls) {
    return report(tls.error().within(path));
  }
  const std::size_t feeds = config->feeds.size();
  const std::size_t bars = config->bars.size();
  fmt::print("{}: good: {} feed{}, {} kind{} of bars\n", path, feeds, feeds == 1 ? "" : "s", bars,
             bars == 1 ? "" : "s");
  return kExitOk;
}

int list() {
  fmt::print("# What this program is made of\n\n{}\n# What a pipeline file may say\n\n{}",
             registry_text(), config::reference_markdown());
  return kExitOk;
}

}  // namespace tapedeck::app
