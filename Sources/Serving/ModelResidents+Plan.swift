import Memory
import ModelFile
import Protocols
import Runtime
import System

/// What models would take: from their files, without loading them. On the worker's thread.
extension ModelResidents {
  /// The answer to `POST /v2/thimble/plan`. `describingByteCount` is what the model would keep besides its session. Errors: the
  /// budget has no room to read the file, or the budget that is asked about has none for the model; what is wrong with the file.
  func plan(
    _ file: borrowing File, name: String, version: Int, describingByteCount: Int, budgetByteCount wanted: Int?
  ) throws(ServingError) -> Answer {
    let taken = lastingByteCount(sparing: nil, holding: describingByteCount)
    let memory = PlanDocument.Memory(
      budgetByteCount: budget.limitByteCount, takenByteCount: taken, availableByteCount: budget.availableByteCount,
      reclaimableByteCount: reclaimableByteCount(sparing: nil))
    let document = PlanDocument(
      model: name, version: version, threadCount: pool.threadCount, isa: kernels.name, memory: memory)
    let (answer, least) = try findingRoom(for: file, sparing: nil, holding: describingByteCount) {
      () throws(SessionError) in
      try plan(file, document, taken, wanted)
    }
    if let answer { return answer }
    throw .modelMemory(
      ModelRefusal(
        neededByteCount: least - taken, availableByteCount: max(0, (wanted ?? 0) - taken), leastBudgetByteCount: least,
        unreadPath: nil, holders: holders))
  }

  /// The answer, or nil where the budget is less than the least, which comes with it.
  private func plan(
    _ file: borrowing File, _ document: PlanDocument, _ taken: Int, _ wanted: Int?
  ) throws(SessionError) -> (answer: Answer?, least: Int) {
    let opened = try open(file)
    // The graph stays, and plans are made beside it.
    let working = try reserveForPlan(opened.openingByteCount)
    let forecast = MemoryForecast(
      opened, threadCount: pool.threadCount, rates: DeviceRates.cached(kernels.name) ?? DeviceRates(),
      takenByteCount: taken)
    let byteCountMax = document.jsonBytesMax
    let held: HeldMemory
    do { held = try buffers.reserve(byteCountMax) } catch { throw .memory(error) }
    let least = forecast.leastBudgetByteCount
    guard let entry = forecast.entry(budgetByteCount: wanted ?? forecast.fullBudgetByteCount) else {
      return (nil, least)
    }
    var writer = JSONWriter()
    writer.bytes.reserveCapacity(byteCountMax)
    document.write(forecast, entry, to: &writer)
    assert(writer.bytes.count <= byteCountMax, "a plan's bound is too low")
    _ = consume forecast
    _ = consume working
    return (Answer(bytes: writer.bytes, held: held), least)
  }

  private func open(_ file: borrowing File) throws(SessionError) -> ModelFile {
    do { return try ModelFile.open(file, budget: budget) } catch { throw SessionError(error) }
  }

  private func reserveForPlan(_ byteCount: Int) throws(SessionError) -> MemoryBudget.Reservation {
    do { return try budget.reserve(byteCount, for: .metadata) } catch { throw .memory(error) }
  }

  // MARK: Refusals

  /// A refusal of memory for loading or waking a model from `file`, with what would help; any other refusal as it is.
  func explained(
    _ refusal: ServingError, _ file: borrowing File, sparing model: LoadedModel?, holding: Int
  ) -> ServingError {
    guard case .tooLarge(.doesNotFit(let needed, let available, let least)) = refusal else { return refusal }
    let taken = lastingByteCount(sparing: model, holding: holding)
    // What fits after all (a client has gone meanwhile) was refused for the step's sake.
    if let exact = try? leastBudgetByteCount(file, takenByteCount: taken), exact > budget.limitByteCount {
      return .modelMemory(
        ModelRefusal(
          neededByteCount: exact - taken, availableByteCount: max(0, budget.limitByteCount - taken),
          leastBudgetByteCount: exact, unreadPath: nil, holders: holders))
    }
    return .modelMemory(
      ModelRefusal(
        neededByteCount: needed, availableByteCount: available, leastBudgetByteCount: least, unreadPath: file.path,
        holders: holders))
  }

  private func leastBudgetByteCount(
    _ file: borrowing File, takenByteCount: Int
  ) throws(SessionError) -> Int {
    let opened = try open(file)
    let working = try reserveForPlan(opened.openingByteCount)
    let forecast = MemoryForecast(
      opened, threadCount: pool.threadCount, rates: DeviceRates(), takenByteCount: takenByteCount)
    let least = forecast.leastBudgetByteCount
    _ = consume forecast
    _ = consume working
    return least
  }

  private var holders: [ModelRefusal.Holder] {
    let all = models.map { ModelRefusal.Holder(name: $0.name, version: $0.version, byteCount: $0.byteCount) }
    return Array(all.sorted { $0.byteCount > $1.byteCount }.prefix(ModelRefusal.holdersMax))
  }
}
