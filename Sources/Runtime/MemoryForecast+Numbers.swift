import Memory

extension MemoryForecast.Entry {
  /// Names and values as `thimble plan --json` and the server say them; bytes.
  public var byteCounts: [(name: String, value: Int)] {
    let costs = plan.costs
    return [
      ("memory_budget_bytes", budgetByteCount), ("predicted_peak_bytes", peakByteCount),
      ("resident_weight_bytes", costs.residentByteCount), ("in_place_weight_bytes", costs.inPlaceByteCount),
      ("streamed_weight_bytes", costs.streamedByteCount), ("streaming_buffer_bytes", costs.runningByteCount),
      ("activation_bytes", plan.plan.activationByteCount), ("metadata_bytes", plan.floorByteCount),
      ("read_bytes_per_inference", costs.readByteCount),
    ]
  }
}
