import Memory
import ModelFile

/// What a model takes and how fast it will be under any budget: from the file alone, without loading it.
public struct MemoryForecast: ~Copyable {
  private let file: ModelFile
  private let threadCount: Int
  private let rates: DeviceRates
  /// Bytes of the budget that are taken before the model: program, stacks, other models.
  private let takenByteCount: Int
  /// Bytes that are needed once, before the model is loaded, and those that are held beside it from then on.
  private let openingByteCount: Int
  private let heldByteCount: Int
  /// Time of an inference that keeps everything.
  public let fullNanoseconds: Double
  private let fullAddedNanoseconds: Double
  /// The same on all threads: what it takes where weights are streamed, which all threads do even if one computes faster alone.
  private let sharedNanoseconds: Double
  /// The least budget that the model runs in, and the least at which it runs at full speed.
  public let leastBudgetByteCount: Int
  public let fullBudgetByteCount: Int

  /// What happens under one budget.
  public struct Entry: Sendable {
    public let budgetByteCount: Int
    public let plan: MemoryPlan
    /// Most bytes of memory that the process has at once.
    public let peakByteCount: Int
    public let nanoseconds: Double
    /// Time of an inference over that of one at full speed.
    public let slowdown: Double
  }

  /// `preparingByteCount` bytes are needed for something else before the file is opened, and are given back; `heldByteCount` are
  /// taken beside the model once the file has been read. The budgets that are named are larger than needed by `marginByteCount`: for
  /// what another process takes more before the model.
  public init(
    _ file: consuming ModelFile, threadCount: Int, rates: DeviceRates, takenByteCount: Int, preparingByteCount: Int = 0,
    heldByteCount: Int = 0, marginByteCount: Int = 0
  ) {
    let full = MemoryPlan.full(file, threadCount: threadCount)
    let least = MemoryPlan.least(file, threadCount: threadCount)
    let opening = max(preparingByteCount, file.openingByteCount)
    fullAddedNanoseconds = full.addedNanoseconds
    sharedNanoseconds =
      CostModel(rates: rates, threadCount: threadCount, file.graph).nanoseconds(file.graph) + full.addedNanoseconds
    fullNanoseconds =
      CostModel.isFasterAlone(file.graph, rates: rates, threadCount: threadCount)
      ? CostModel(rates: rates, threadCount: 1, file.graph).nanoseconds(file.graph) + full.addedNanoseconds
      : sharedNanoseconds
    // The least of the plans that keep all weights and are as fast, give or take what nobody notices.
    var fullPeak = full.peakByteCount
    for plan in MemoryPlan.keepingAll(file, threadCount: threadCount)
    where plan.addedNanoseconds - full.addedNanoseconds <= MemoryForecast.fullSpeedTolerance * fullNanoseconds {
      fullPeak = min(fullPeak, plan.peakByteCount)
    }
    fullBudgetByteCount = marginByteCount + takenByteCount + max(opening, heldByteCount + fullPeak)
    leastBudgetByteCount =
      marginByteCount + takenByteCount
      + max(opening, heldByteCount + min(least.peakByteCount, full.peakByteCount))
    self.threadCount = threadCount
    self.rates = rates
    self.takenByteCount = takenByteCount
    openingByteCount = opening
    self.heldByteCount = heldByteCount
    self.file = file
  }

  /// A share of the time at full speed.
  private static let fullSpeedTolerance = 0.005

  public var graph: Graph { file.graph }

  /// Nil where the budget is too small.
  public func entry(budgetByteCount: Int) -> Entry? {
    let available = budgetByteCount - takenByteCount
    guard available >= openingByteCount,
      let plan = MemoryPlan(
        file, threadCount: threadCount, availableByteCount: available - heldByteCount, rates: rates, workspace: nil)
    else { return nil }
    let isStreaming = plan.costs.streamedTileCount > 0
    let nanoseconds =
      (isStreaming ? sharedNanoseconds : fullNanoseconds) + plan.addedNanoseconds - fullAddedNanoseconds
    return Entry(
      budgetByteCount: budgetByteCount, plan: plan,
      peakByteCount: takenByteCount + max(openingByteCount, heldByteCount + plan.peakByteCount),
      nanoseconds: nanoseconds,
      slowdown: nanoseconds / fullNanoseconds)
  }

  /// The budget of a point of the curve, from the least budget to the full one.
  public func curveBudgetByteCount(_ point: Int, of pointCount: Int) -> Int {
    // Between the two as squares: where memory is short a little more of it does most.
    let share = Double(point * point) / Double((pointCount - 1) * (pointCount - 1))
    return leastBudgetByteCount + Int(Double(fullBudgetByteCount - leastBudgetByteCount) * share)
  }

  /// What happens under budgets from the least to the full one.
  public func curve(pointCount: Int) -> [Entry] {
    var entries: [Entry] = []
    for point in 0..<pointCount {
      let budget = curveBudgetByteCount(point, of: pointCount)
      if let entry = entry(budgetByteCount: budget), entry.budgetByteCount != entries.last?.budgetByteCount {
        entries.append(entry)
      }
    }
    return entries
  }
}
