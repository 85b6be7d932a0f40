import Memory
import Protocols
import System

extension Server {
  var residentsDocument: ResidentsDocument {
    ResidentsDocument(
      repository: repository, budget: budget, rung: pressure.rung, counts: residents.counters,
      cacheByteCount: residents.models.reduce(0) { $0 + $1.residency.cacheByteCount },
      nowNanoseconds: Clock.nowNanoseconds
    ) { [self] model in
      let metrics = metrics(of: model)
      return metrics.successCount + metrics.failureCount
    }
  }

  func writeResidency(_ writer: inout MetricsWriter) {
    writer.family("thimble_model_cache_bytes", .gauge, help: "Weights that each model keeps between inferences")
    for model in repository.loadedModels {
      writer.sample(
        [.init("model", model.name), .init("version", "\(model.version)")], model.residency.cacheByteCount)
    }
    let counts = residents.counters
    writer.family("thimble_model_sleeps_total", .counter, help: "Models put to sleep: their memory given back")
    writer.sample([], counts.sleeps)
    writer.family("thimble_model_wakes_total", .counter, help: "Sleeping models that a request has brought back")
    writer.sample([], counts.wakes)
    writer.family("thimble_cache_resizes_total", .counter, help: "Changes of what a model may keep")
    writer.sample([], counts.resizes)
    let sequences = residents.sequences.figures
    writer.family("thimble_sequences", .gauge, help: "Sequences under way")
    writer.sample([], sequences.count)
    writer.family("thimble_sequence_evictions_total", .counter, help: "Sequences dropped: idle for too long")
    writer.sample([], sequences.evictionCount)
    writer.family("thimble_models_asleep", .gauge, help: "Versions of models that sleep")
    writer.sample([], repository.loadedModels.count { $0.residency.state == .asleep })
    writer.family("thimble_pressure_rung", .gauge, help: "How far down the memory pressure ladder: 0 is not at all")
    writer.sample([], pressure.rung.rawValue)
    writer.family("thimble_pressure_steps_total", .counter, help: "Steps on the ladder, by the rung that was reached")
    for rung in PressureLadder.Rung.allCases {
      let name = MetricsWriter.Label("rung", rung.name)
      writer.sample([name, .init("direction", "down")], pressure.stepsDown[rung.rawValue])
      writer.sample([name, .init("direction", "up")], pressure.stepsUp[rung.rawValue])
    }
  }
}
