#include "base/metrics.hpp"

#include <fmt/format.h>

#include <string_view>

#include "base/check.hpp"

namespace tapedeck {
namespace {

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string render(const Metrics::Labels& labels) {
  if (labels.empty()) return {};
  std::string out = "{";
  for (const auto& [name, value] : labels) {
    if (out.size() > 1) out += ',';
    out += fmt::format("{}=\"{}\"", name, escape(value));
  }
  return out + "}";
}

}  // namespace

Counter& Metrics::counter(const std::string& name, const std::string& help, Labels labels) {
  TD_CHECK(name.ends_with("_total"));
  std::lock_guard lock(mutex_);
  auto& family = counter_families_[name];
  family.help = help;
  Counter*& member = family.members[std::move(labels)];
  if (member == nullptr) member = &counters_.emplace_back();
  return *member;
}

Gauge& Metrics::gauge(const std::string& name, const std::string& help, Labels labels) {
  std::lock_guard lock(mutex_);
  auto& family = gauge_families_[name];
  family.help = help;
  Gauge*& member = family.members[std::move(labels)];
  if (member == nullptr) member = &gauges_.emplace_back();
  return *member;
}

std::string Metrics::open_metrics() const {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : counter_families_) {
    const std::string base = name.substr(0, name.size() - std::string_view("_total").size());
    out += fmt::format("# TYPE {} counter\n# HELP {} {}\n", base, base, escape(family.help));
    for (const auto& [labels, counter] : family.members) {
      out += fmt::format("{}{} {}\n", name, render(labels), counter->value());
    }
  }
  for (const auto& [name, family] : gauge_families_) {
    out += fmt::format("# TYPE {} gauge\n# HELP {} {}\n", name, name, escape(family.help));
    for (const auto& [labels, gauge] : family.members) {
      out += fmt::format("{}{} {}\n", name, render(labels), gauge->value());
    }
  }
  return out + "# EOF\n";
}

}  // namespace tapedeck
