#include "app/options.hpp"

namespace tapedeck::app {
namespace {

tape::embedded::Fsync fsync_of(config::Fsync fsync) {
  switch (fsync) {
    case config::Fsync::kAlways:
      return tape::embedded::Fsync::kAlways;
    case config::Fsync::kGroup:
      return tape::embedded::Fsync::kGroup;
    case config::Fsync::kNever:
      return tape::embedded::Fsync::kNever;
  }
  return tape::embedded::Fsync::kAlways;
}

}  // namespace

tape::embedded::EmbeddedTapeOptions embedded_tape_options(const config::TapeConfig& config) {
  return {.directory = config.dir,
          .partitions = config.partitions,
          .fsync = fsync_of(config.fsync),
          .segment_bytes_max = config.segment_bytes,
          .retention = {.age = config.retention_age, .bytes = config.retention_bytes},
          .raw_retention = {.age = config.raw_retention_age, .bytes = config.raw_retention_bytes},
          .free_warn_bytes = config.free_warn_bytes,
          .free_stop_bytes = config.free_stop_bytes};
}

Result<std::optional<net::TlsIdentity>> tls_identity(const config::ApiConfig& config,
                                                     Timestamp now) {
  if (config.tls_certificate.empty()) return std::nullopt;
  auto identity = net::TlsIdentity::read(config.tls_certificate, config.tls_key, now);
  if (!identity) return std::unexpected(identity.error().within("[api]"));
  return *std::move(identity);
}

Needs needs_of(const config::Config& config) {
  return {.tape_directory = config.tape.dir,
          .free_warn_bytes = config.tape.free_warn_bytes,
          .free_stop_bytes = config.tape.free_stop_bytes,
          .address = config.api.listen.address,
          .port = config.api.listen.port,
          .has_tls = !config.api.tls_certificate.empty()};
}

}  // namespace tapedeck::app
