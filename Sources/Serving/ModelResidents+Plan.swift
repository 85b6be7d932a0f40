import Memory
import ModelFile
import Protocols
import Runtime
import System

/// What models would take: from their files, without loading them. On the worker's thread.
extension ModelResidents {
  /// The answer to `POST /v2/thimble/plan`. Errors: the budget has no room to read the file, or the budget that is asked about
  /// has none for the model; what is wrong with the file.
  func plan(
    _ file: borrowing File, name: String, version: Int, claims: ModelClaims, budgetByteCount wanted: Int?
  ) throws(ServingError) -> Answer {
    let planned = try findingRoom(for: file, sparing: nil, claims) { () throws(SessionError) -> Planned in
      try withForecast(file, sparing: nil, claims) {
        (forecast: borrowing MemoryForecast, taken: Int) throws(SessionError) -> Planned in
        let budgetByteCount = wanted ?? forecast.fullBudgetByteCount
        guard budgetByteCount >= forecast.leastBudgetByteCount,
          let entry = forecast.entry(budgetByteCount: budgetByteCount)
        else { return .refusal(refusal(forecast, taken: taken, budgetByteCount: budgetByteCount)) }
        let memory = PlanDocument.Memory(
          budgetByteCount: budget.limitByteCount, takenByteCount: taken,
          availableByteCount: budget.availableByteCount, reclaimableByteCount: reclaimableByteCount(sparing: nil))
        let document = PlanDocument(
          model: name, version: version, threadCount: pool.threadCount, isa: kernels.name, memory: memory)
        return .answer(try answer(document, forecast, entry))
      }
    }
    switch planned {
    case .answer(let answer): return answer
    case .refusal(let refusal): throw .modelMemory(refusal)
    }
  }

  private enum Planned {
    case answer(Answer)
    case refusal(ModelRefusal)
  }

  private func answer(
    _ document: PlanDocument, _ forecast: borrowing MemoryForecast, _ entry: MemoryForecast.Entry
  ) throws(SessionError) -> Answer {
    let byteCountMax = document.jsonBytesMax
    let held: HeldMemory
    do { held = try buffers.reserve(byteCountMax) } catch { throw .memory(error) }
    var writer = JSONWriter()
    writer.bytes.reserveCapacity(byteCountMax)
    document.write(forecast, entry, to: &writer)
    assert(writer.bytes.count <= byteCountMax, "a plan's bound is too low")
    return Answer(bytes: writer.bytes, held: held)
  }

  /// Gives `body` what a model will take, and the bytes that are held besides while every other one sleeps.
  private func withForecast<Result>(
    _ file: borrowing File, sparing model: LoadedModel?, _ claims: ModelClaims,
    _ body: (borrowing MemoryForecast, Int) throws(SessionError) -> Result
  ) throws(SessionError) -> Result {
    let opened: ModelFile
    do { opened = try ModelFile.open(file, budget: budget) } catch { throw SessionError(error) }
    // Beside the documents that requests wait for: measured before anything is reserved.
    let taken = lastingByteCount(sparing: model, holding: claims.heldByteCount)
    let ports = claims.describesPorts ? Mapping.roundedToPages(LoadedModel.portsByteCount(opened.graph)) : 0
    // The graph stays, and plans are made beside it.
    let working: MemoryBudget.Reservation
    do { working = try budget.reserve(opened.openingByteCount, for: .metadata) } catch { throw .memory(error) }
    let forecast = MemoryForecast(
      opened, threadCount: pool.threadCount, rates: DeviceRates.cached(kernels.name) ?? DeviceRates(),
      takenByteCount: taken, preparingByteCount: claims.preparingByteCount, heldByteCount: ports,
      marginByteCount: ModelResidents.exchangeByteCount(opened.graph))
    let result = try body(forecast, taken)
    _ = consume forecast
    _ = consume working
    return result
  }

  /// What one client's inference takes beside the model: its tensors, both ways, and what comes and goes meanwhile.
  static func exchangeByteCount(_ graph: Graph) -> Int {
    (graph.inputs + graph.outputs).reduce(ServingLimits.variationBytes) {
      $0 + Mapping.roundedToPages(graph.tensors[$1].byteCount)
    }
  }

  // MARK: Refusals

  /// A refusal of memory for loading or waking a model from `file`, with what would help; any other refusal as it is.
  func explained(
    _ error: ServingError, _ file: borrowing File, sparing model: LoadedModel?, _ claims: ModelClaims
  ) -> ServingError {
    guard case .tooLarge(.doesNotFit(let needed, let available, let least)) = error else { return error }
    let exact = try? withForecast(file, sparing: model, claims) {
      (forecast: borrowing MemoryForecast, taken: Int) throws(SessionError) -> ModelRefusal in
      refusal(forecast, taken: taken, budgetByteCount: budget.limitByteCount)
    }
    // What fits after all (a client has gone meanwhile) was refused for the step's sake.
    if let exact, exact.leastBudgetByteCount > budget.limitByteCount { return .modelMemory(exact) }
    // What was parsed before would be parsed again.
    let taken = lastingByteCount(sparing: model, holding: claims.requestByteCount)
    return .modelMemory(
      ModelRefusal(
        neededByteCount: needed, availableByteCount: available,
        leastBudgetByteCount: max(least, taken + claims.parsingByteCount) + ServingLimits.variationBytes,
        unreadPath: file.path, isModel: true,
        holders: holders))
  }

  /// A refusal of memory to read a model's configuration; any other refusal as it is.
  func unread(_ path: String, _ error: ServingError) -> ServingError {
    guard case .tooLarge(.doesNotFit(let needed, let available, let least)) = error else { return error }
    return .modelMemory(
      ModelRefusal(
        neededByteCount: needed, availableByteCount: available,
        leastBudgetByteCount: least + ServingLimits.variationBytes, unreadPath: path,
        isModel: false, holders: holders))
  }

  private func refusal(
    _ forecast: borrowing MemoryForecast, taken: Int, budgetByteCount: Int
  ) -> ModelRefusal {
    let least = forecast.leastBudgetByteCount
    return ModelRefusal(
      neededByteCount: least - taken, availableByteCount: max(0, budgetByteCount - taken), leastBudgetByteCount: least,
      unreadPath: nil, isModel: true, holders: holders)
  }

  private var holders: [ModelRefusal.Holder] {
    let all = models.map { ModelRefusal.Holder(name: $0.name, version: $0.version, byteCount: $0.byteCount) }
    return Array(all.sorted { $0.byteCount > $1.byteCount }.prefix(ModelRefusal.holdersMax))
  }
}
