// src/pipeline/past.hpp: the past as bar builders ask for it: trades from the tape, bars from the
// store. Thread: one at a time.
#pragma once

#include "store/store.hpp"
#include "tape/tape.hpp"
#include "windows/past.hpp"

namespace tapedeck::pipeline {

class TapeAndStorePast final : public windows::Past {
 public:
  // Borrows all; `store` may be null: then no bars are kept but in the builders.
  TapeAndStorePast(const tape::TapeView& tape, PartitionId partition,
                   const market::Catalog& catalog, const store::Store* store)
      : tape_(tape), partition_(partition), catalog_(catalog), store_(store) {}

  Result<std::optional<windows::PastBar>> bar(SeriesId series, const market::BarSpec& spec,
                                              Timestamp ts_open) override;
  Status trades(SeriesId series, Timestamp from, Timestamp to, Offset end,
                const std::function<void(const market::Trade&)>& visit) override;
  Result<std::optional<market::Trade>> trade(SeriesId series, const market::Identity& identity,
                                             Timestamp near, Offset end) override;

 private:
  // Calls `visit` with the trades of the blocks that may hold [from, to); false from it ends.
  Status scan(SeriesId series, std::optional<Timestamp> from, std::optional<Timestamp> to,
              Offset end, const std::function<bool(const market::Trade&)>& visit);

  const tape::TapeView& tape_;
  const PartitionId partition_;
  const market::Catalog& catalog_;
  const store::Store* store_;
};

}  // namespace tapedeck::pipeline
