#include "pipeline/tape_quality.hpp"

namespace tapedeck::pipeline {

Result<quality::Completeness> completeness_of(const tape::TapeView& tape,
                                              const market::Catalog& catalog) {
  quality::Completeness completeness(catalog);
  for (std::uint32_t p = 0; p < tape.partitions(); ++p) {
    const PartitionId partition(p);
    TD_ASSIGN(const auto reader,
              tape.read({.partition = partition, .first = tape.first_offset(partition)}));
    while (true) {
      TD_ASSIGN(const auto batch, reader->next());
      if (!batch) break;
      TD_TRY(completeness.add(*batch));
    }
  }
  return completeness;
}

}  // namespace tapedeck::pipeline
