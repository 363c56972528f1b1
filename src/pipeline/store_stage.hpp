// src/pipeline/store_stage.hpp: writes changed bars to the store, many changes of one bar as one.
#pragma once

#include "pipeline/stage.hpp"
#include "pipeline/window_stage.hpp"
#include "store/store.hpp"

namespace tapedeck::pipeline {

class StoreStage final : public Stage {
 public:
  // Changes of at most this many batches are joined in one transaction.
  static constexpr std::size_t kBatchesMax = 1024;

  StoreStage(BarQueue& in, store::Store& store) : in_(in), store_(store) {}
  std::string_view name() const override { return "store"; }
  Result<Step> step() override;

 private:
  BarQueue& in_;
  store::Store& store_;
};

}  // namespace tapedeck::pipeline
