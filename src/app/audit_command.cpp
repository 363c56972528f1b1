#include <fmt/format.h>

#include <cstdio>

#include "app/audit_writer.hpp"
#include "app/commands.hpp"
#include "app/recorded_files.hpp"
#include "quality/old_keys.hpp"
#include "quality/seen_identities.hpp"

namespace tapedeck::app {
namespace {

constexpr std::size_t kEventsAtOnce = 4096;

// Tells trades that are new from repeats.
class AuditSink final : public feeds::EventSink {
 public:
  AuditSink(quality::OldKeyAudit& audit, quality::Quarantine& quarantine)
      : audit_(audit), quarantine_(quarantine) {}

  void trade(const market::Trade& trade) override {
    if (seen_.insert(trade)) {
      audit_.add(trade);
    } else {
      ++repeats_;
      audit_.add_repeat(trade);
    }
  }
  // The report of the files counts these.
  void event(const feeds::OtherEvent&) override {}
  void mark(const market::FeedMark&) override {}
  void control() override {}
  void refuse(const feeds::Refusal& refusal) override {
    quarantine_.refuse(refusal.reason, refusal.detail, refusal.where, refusal.text);
  }

  std::uint64_t repeats() const override { return repeats_; }

 private:
  quality::OldKeyAudit& audit_;
  quality::Quarantine& quarantine_;
  quality::SeenIdentities seen_;
  std::uint64_t repeats_ = 0;
};

Result<bool> run_audit(const AuditArguments& arguments) {
  TD_ASSIGN(const quality::OldPipeline pipeline, quality::parse_old_pipeline(arguments.as));
  const auto disk = real_disk();
  market::Catalog catalog;
  TD_ASSIGN(const auto quarantine, open_quarantine(*disk, arguments.files));
  TD_ASSIGN(const auto source, open_files(*disk, arguments.files, catalog, false));
  quality::OldKeyAudit audit(catalog, pipeline);
  AuditSink sink(audit, *quarantine);
  for (bool more = true; more;) {
    const auto pulled = source->pull(sink, kEventsAtOnce);
    more = pulled && *pulled;  // an error has been told as a refusal
  }
  TD_ASSIGN(const quality::OldKeyReport report, audit.finish());
  const std::string text =
      arguments.json ? audit_json(report, catalog) : audit_text(report, catalog);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return fail(ErrorCode::kIo, "cannot write to standard output");
  }
  return print_report(source->files(), sink.repeats(), *quarantine);
}

}  // namespace

int audit(const AuditArguments& arguments) {
  const auto whole = run_audit(arguments);
  if (!whole) return report(whole.error());
  return *whole ? kExitOk : kExitRefused;
}

}  // namespace tapedeck::app
