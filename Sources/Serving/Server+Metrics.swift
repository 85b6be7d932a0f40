import Memory
import Protocols
import System

extension Server {
  /// `GET /metrics`: Triton's names for what Triton counts too, `thimble_*` for the rest.
  func writeMetrics(_ writer: inout MetricsWriter) {
    writeCounters(&writer)
    writeDurations(&writer)
    writeCache(&writer)
    writeTraffic(&writer)
    writeMemory(&writer)
    writeResidency(&writer)
    writePower(&writer)
    writeProcess(&writer)
  }

  /// A bound on what `writeMetrics` writes: fifteen families have a sample for each model asked or loaded, two for each model
  /// loaded. A sample takes its family's name and labels, 20 digits twice, and the model's name.
  var metricsBytesMax: Int {
    // A model that has not been asked yet has counters too.
    for model in repository.loadedModels { _ = metrics(of: model) }
    let samples = metrics.reduce(0) { $0 + 17 * (120 + $1.model.jsonByteCount) }
    return 16_384 + 3 * 160 * (ClientUsage.sharesMax + 1) + samples + trafficBytesMax
  }

  private func write(
    _ writer: inout MetricsWriter, _ name: String, _ kind: MetricsWriter.Kind, _ help: String,
    _ value: (ModelMetrics) -> Int
  ) {
    writer.family(name, kind, help: help)
    for model in metrics {
      writer.sample([.init("model", model.model), .init("version", "\(model.version)")], value(model))
    }
  }

  private func writeCounters(_ writer: inout MetricsWriter) {
    write(&writer, "nv_inference_request_success", .counter, "Requests answered with a result") { $0.successCount }
    write(&writer, "nv_inference_request_failure", .counter, "Requests answered with an error") { $0.failureCount }
    write(&writer, "nv_inference_count", .counter, "Inferences, each element of a batch counted") { $0.inferenceCount }
    write(&writer, "nv_inference_exec_count", .counter, "Runs of the network") { $0.executionCount }
    write(&writer, "thimble_traffic_rollbacks_total", .counter, "Shares of requests lost for errors") {
      $0.rollbackCount
    }
    write(&writer, "nv_inference_pending_request_count", .gauge, "Requests that wait or run") { $0.pendingCount }
  }

  private func writeDurations(_ writer: inout MetricsWriter) {
    write(&writer, "nv_inference_request_duration_us", .counter, "From whole requests to their answers, µs") {
      Int($0.durations.requestNanoseconds / 1000)
    }
    write(&writer, "nv_inference_queue_duration_us", .counter, "Waiting for the worker, µs") {
      Int($0.durations.queueNanoseconds / 1000)
    }
    write(&writer, "nv_inference_compute_input_duration_us", .counter, "Decoding inputs, µs") {
      Int($0.durations.inputNanoseconds / 1000)
    }
    write(&writer, "nv_inference_compute_infer_duration_us", .counter, "Running networks, µs") {
      Int($0.durations.inferenceNanoseconds / 1000)
    }
    write(&writer, "nv_inference_compute_output_duration_us", .counter, "Encoding outputs, µs") {
      Int($0.durations.outputNanoseconds / 1000)
    }
  }

  private func writeCache(_ writer: inout MetricsWriter) {
    write(&writer, "nv_cache_num_hits_per_model", .counter, "Requests answered with a kept result") { $0.cacheHitCount }
    write(&writer, "nv_cache_num_misses_per_model", .counter, "Requests looked up in vain") { $0.cacheMissCount }
    write(&writer, "nv_cache_hit_duration_per_model", .counter, "Looking up what was found, µs") {
      Int($0.cacheHitNanoseconds / 1000)
    }
    write(&writer, "nv_cache_miss_duration_per_model", .counter, "Looking up what was not found, µs") {
      Int($0.cacheMissNanoseconds / 1000)
    }
    let cache = residents.responses
    let figures = cache.figures
    writer.family("nv_cache_num_entries", .gauge, help: "Results kept")
    writer.sample([], figures.entryCount)
    writer.family("nv_cache_num_evictions", .counter, help: "Results given up for others")
    writer.sample([], figures.evictionCount)
    writer.family("nv_cache_util", .gauge, help: "Share of the response cache that is used")
    writer.sample([], cache.byteCountMax > 0 ? Double(figures.byteCount) / Double(cache.byteCountMax) : 0)
  }

  private func writeMemory(_ writer: inout MetricsWriter) {
    writer.family("thimble_memory_budget_bytes", .gauge, help: "What the process may use at most")
    writer.sample([], budget.limitByteCount)
    writer.family("thimble_memory_reserved_bytes", .gauge, help: "What is reserved of the budget, by purpose and kind")
    for purpose in MemoryBudget.Purpose.allCases {
      for kind in MemoryBudget.Kind.allCases {
        writer.sample(
          [.init("purpose", purpose.name), .init("kind", kind.name)],
          budget.reservedByteCount(for: purpose, kind: kind))
      }
    }
    writer.family("thimble_memory_peak_reserved_bytes", .gauge, help: "Most that was reserved at once")
    writer.sample([], budget.peakReservedByteCount)
    writer.family("thimble_memory_peak_resident_bytes", .gauge, help: "Most that was resident at once (VmHWM)")
    writer.sample([], Process.peakResidentByteCount)
    writer.family("thimble_model_memory_bytes", .gauge, help: "What each loaded model holds of the budget")
    for model in repository.loadedModels {
      writer.sample([.init("model", model.name), .init("version", "\(model.version)")], model.byteCount)
    }
  }

  private func writeProcess(_ writer: inout MetricsWriter) {
    writer.family("thimble_connections", .gauge, help: "Clients connected now")
    writer.sample([], connectionCount)
    writer.family("thimble_connections_total", .counter, help: "Clients accepted")
    writer.sample([], Int(acceptedCount))
    writer.family("thimble_queued_requests", .gauge, help: "Requests that wait for the worker")
    writer.sample([], scheduler.queuedCount)
    writer.family("thimble_models_loaded", .gauge, help: "Versions of models that can be asked, asleep or not")
    writer.sample([], repository.loadedModels.count)
    writer.family("process_start_time_seconds", .gauge, help: "When the server started, since 1970")
    writer.sample([], Double(startedMilliseconds) / 1000)
    writer.family("process_cpu_seconds_total", .counter, help: "Processor time of all threads")
    writer.sample([], Double(Clock.processCPUNanoseconds) / 1e9)
  }
}
