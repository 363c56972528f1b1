#include <fmt/format.h>

#include "app/commands.hpp"
#include "app/doctor.hpp"
#include "app/options.hpp"
#include "base/crc32c.hpp"
#include "market/calendar.hpp"

namespace tapedeck::app {

int doctor(const DoctorArguments& arguments) {
  Needs needs;
  config::ApiConfig served;
  const SystemClock clock;
  if (!arguments.file.empty()) {
    const auto config = load_config(arguments.file);
    if (!config) return report(config.error());
    needs = needs_of(*config);
    served = config->api;
  }
  const auto machine = real_machine();
  const auto disk = real_disk();
  const auto certificate = [&]() -> Result<CertificateState> {
    TD_ASSIGN(const auto tls, tls_identity(served, clock.now()));
    return CertificateState{tls->names(), tls->valid_until()};
  };
  auto findings = examine(needs, {.machine = *machine,
                                  .disk = *disk,
                                  .clock = clock,
                                  .utc_offset = market::utc_offset,
                                  .crc32c_by_instruction = crc32c_is_by_instruction(),
                                  .certificate = certificate});
  if (arguments.json) {
    fmt::print("{}", findings_json(findings));
  } else {
    for (Finding& finding : findings) finding.what = printable(finding.what);
    fmt::print("{}", findings_text(findings));
  }
  return any_failed(findings) ? kExitFailed : kExitOk;
}

}  // namespace tapedeck::app
