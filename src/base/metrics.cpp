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

// Buckets count all that is at or below their bound.
void render(const std::string& name, const Metrics::Labels& labels, const Histogram& histogram,
            std::string& out) {
  std::uint64_t count = 0;
  Metrics::Labels with_bound = labels;
  with_bound.emplace_back("le", "");
  for (std::size_t bucket = 0; bucket <= Histogram::kBuckets; ++bucket) {
    count += histogram.count(bucket);
    with_bound.back().second =
        bucket == Histogram::kBuckets
            ? "+Inf"
            : fmt::format("{}", static_cast<double>(Histogram::bound(bucket).ns) / 1e9);
    out += fmt::format("{}_bucket{} {}\n", name, render(with_bound), count);
  }
  out += fmt::format("{}_count{} {}\n{}_sum{} {}\n", name, render(labels), count, name,
                     render(labels), static_cast<double>(histogram.sum_ns()) / 1e9);
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

Histogram& Metrics::histogram(const std::string& name, const std::string& help, Labels labels) {
  TD_CHECK(name.ends_with("_seconds"));
  std::lock_guard lock(mutex_);
  auto& family = histogram_families_[name];
  family.help = help;
  Histogram*& member = family.members[std::move(labels)];
  if (member == nullptr) member = &histograms_.emplace_back();
  return *member;
}

std::string Metrics::text_of(const Labels& labels) { return render(labels); }

std::string Metrics::open_metrics(const std::string& more) const {
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
  for (const auto& [name, family] : histogram_families_) {
    out += fmt::format("# TYPE {} histogram\n# UNIT {} seconds\n# HELP {} {}\n", name, name, name,
                       escape(family.help));
    for (const auto& [labels, histogram] : family.members) render(name, labels, *histogram, out);
  }
  return out + more + "# EOF\n";
}

}  // namespace tapedeck
