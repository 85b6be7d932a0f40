import Protocols

/// `GET /v2/models[/M[/versions/V]]/stats`.
struct StatisticsDocument: JSONWritable {
  struct Row {
    let metrics: ModelMetrics
    /// Bytes of the budget that the model holds.
    let byteCount: Int
  }

  let rows: [Row]

  func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("model_stats")
    writer.beginArray()
    for row in rows { write(row, to: &writer) }
    writer.endArray()
    writer.endObject()
  }

  private func write(_ row: Row, to writer: inout JSONWriter) {
    let metrics = row.metrics
    writer.beginObject()
    writer.member("name", metrics.model)
    writer.member("version", "\(metrics.version)")
    writer.member("last_inference", Int(metrics.lastInferenceMilliseconds))
    writer.member("inference_count", metrics.inferenceCount)
    writer.member("execution_count", metrics.executionCount)
    writer.key("inference_stats")
    writer.beginObject()
    let count = metrics.successCount
    let computed = count - metrics.cacheHitCount
    write("success", count, metrics.durations.requestNanoseconds, to: &writer)
    write("fail", metrics.failureCount, metrics.failureNanoseconds, to: &writer)
    write("queue", count, metrics.durations.queueNanoseconds, to: &writer)
    write("compute_input", computed, metrics.durations.inputNanoseconds, to: &writer)
    write("compute_infer", computed, metrics.durations.inferenceNanoseconds, to: &writer)
    write("compute_output", computed, metrics.durations.outputNanoseconds, to: &writer)
    write("cache_hit", metrics.cacheHitCount, metrics.cacheHitNanoseconds, to: &writer)
    write("cache_miss", metrics.cacheMissCount, metrics.cacheMissNanoseconds, to: &writer)
    writer.endObject()
    writer.key("response_stats")
    writer.beginObject()
    writer.endObject()
    writer.key("batch_stats")
    writer.beginArray()
    for batch in metrics.batches {
      writer.beginObject()
      writer.member("batch_size", batch.inferenceCount)
      write("compute_input", batch.executionCount, batch.durations.inputNanoseconds, to: &writer)
      write("compute_infer", batch.executionCount, batch.durations.inferenceNanoseconds, to: &writer)
      write("compute_output", batch.executionCount, batch.durations.outputNanoseconds, to: &writer)
      writer.endObject()
    }
    writer.endArray()
    writer.key("memory_usage")
    writer.beginArray()
    writer.beginObject()
    writer.member("type", "CPU")
    writer.member("id", 0)
    writer.member("byte_size", row.byteCount)
    writer.endObject()
    writer.endArray()
    writer.endObject()
  }

  private func write(_ name: String, _ count: Int, _ nanoseconds: Int64, to writer: inout JSONWriter) {
    writer.key(name)
    writer.beginObject()
    writer.member("count", count)
    writer.member("ns", Int(nanoseconds))
    writer.endObject()
  }
}
