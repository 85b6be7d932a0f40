import Memory
import ModelFile
import System

/// What a model takes of the budget and how it will run in it: decided from the file alone, before anything is loaded.
public struct MemoryPlan: Sendable {
  public let plan: Plan
  public let planner: WeightPlanner
  public let placement: WeightPlacement
  public let costs: WeightCosts
  /// Bytes of the graph with what is made of it.
  public let metadataByteCount: Int
  /// Whole pages.
  public let tableByteCount: Int
  private let loadingDecoderCount: Int

  var usage: WeightStore.Usage { planner.usage }

  /// What a run and what loading need of the workspace.
  var runningNeeds: Workspace.Needs {
    planner.needs(of: placement, activationByteCount: plan.activationByteCount)
  }
  var loadingNeeds: Workspace.Needs { planner.loadingNeeds(decoderCount: loadingDecoderCount) }

  /// Bytes held as long as the model is loaded, whatever is kept of its weights.
  public var floorByteCount: Int { metadataByteCount + tableByteCount + costs.fixedByteCount }

  /// Bytes added at most to what a workspace has already.
  func peakByteCount(_ workspace: Workspace?) -> Int {
    func missing(_ needs: Workspace.Needs) -> Int { workspace?.missingByteCount(for: needs) ?? needs.byteCount }
    return floorByteCount + costs.cacheByteCount + max(missing(loadingNeeds), missing(runningNeeds))
  }

  /// Bytes of memory it takes alone, from loading on.
  public var peakByteCount: Int { peakByteCount(nil) }

  private init(
    _ plan: Plan, _ planner: WeightPlanner, _ placement: WeightPlacement, _ metadataByteCount: Int, decoders: Int
  ) {
    self.plan = plan
    self.planner = planner
    self.placement = placement
    self.metadataByteCount = metadataByteCount
    costs = planner.costs(of: placement)
    tableByteCount = Mapping.roundedToPages(plan.tableByteCount)
    loadingDecoderCount = decoders
  }

  /// The fastest plan that takes at most `availableByteCount` beside what the workspace has already; nil where there is none.
  init?(
    _ plan: Plan, _ planner: WeightPlanner, metadataByteCount: Int, availableByteCount: Int, workspace: Workspace?
  ) {
    for decoders in planner.usage.threadCount > 1 ? [planner.usage.threadCount, 1] : [1] {
      func candidate(_ placement: WeightPlacement) -> MemoryPlan {
        MemoryPlan(plan, planner, placement, metadataByteCount, decoders: decoders)
      }
      if let placement = planner.placement(
        availableByteCount: availableByteCount, byteCount: { candidate($0).peakByteCount(workspace) })
      {
        self = candidate(placement)
        return
      }
    }
    return nil
  }

  /// The plan that takes the least.
  static func least(
    _ plan: Plan, _ planner: WeightPlanner, metadataByteCount: Int, workspace: Workspace?
  ) -> MemoryPlan {
    func candidate(_ placement: WeightPlacement) -> MemoryPlan {
      MemoryPlan(plan, planner, placement, metadataByteCount, decoders: 1)
    }
    return candidate(planner.least { candidate($0).peakByteCount(workspace) })
  }

  /// The plan that keeps everything.
  static func full(_ plan: Plan, _ planner: WeightPlanner, metadataByteCount: Int) -> MemoryPlan {
    MemoryPlan(plan, planner, planner.keepingAll, metadataByteCount, decoders: planner.usage.threadCount)
  }

  /// The least that a model takes with so many threads.
  public static func least(_ file: borrowing ModelFile, threadCount: Int) -> MemoryPlan {
    let plan = Plan(file.graph, threadCount: threadCount)
    let planner = WeightPlanner(file.graph, usage: plan.weightUsage(file.graph), rates: DeviceRates())
    return least(plan, planner, metadataByteCount: file.graphByteCount, workspace: nil)
  }

  /// What a whole model takes at full speed with so many threads.
  public static func full(_ file: borrowing ModelFile, threadCount: Int) -> MemoryPlan {
    let plan = Plan(file.graph, threadCount: threadCount)
    let planner = WeightPlanner(file.graph, usage: plan.weightUsage(file.graph), rates: DeviceRates())
    return full(plan, planner, metadataByteCount: file.graphByteCount)
  }

  /// The plan that a session follows. Errors: nothing fits; the error names the least budget that would do.
  public init(
    _ file: borrowing ModelFile, threadCount: Int, availableByteCount: Int, rates: DeviceRates = DeviceRates(),
    workspace: Workspace? = nil, _ budget: MemoryBudget
  ) throws(MemoryError) {
    let graph = file.graph
    let metadataByteCount = file.graphByteCount
    let plan = Plan(graph, threadCount: threadCount)
    let planner = WeightPlanner(graph, usage: plan.weightUsage(graph), rates: rates)
    if let found = MemoryPlan(
      plan, planner, metadataByteCount: metadataByteCount, availableByteCount: availableByteCount, workspace: workspace)
    {
      self = found
      return
    }
    let least = MemoryPlan.least(plan, planner, metadataByteCount: metadataByteCount, workspace: workspace)
      .peakByteCount(workspace)
    throw .doesNotFit(
      needed: least, available: availableByteCount, leastBudget: budget.reservedByteCount + least)
  }
}

extension Plan {
  /// How the layers use their weights.
  func weightUsage(_ graph: Graph) -> WeightStore.Usage {
    var isClaimable = graph.blobs.map { _ in false }
    for step in graph.operators {
      if case .convolution(let convolution) = step.operation { isClaimable[convolution.weights] = true }
    }
    return WeightStore.Usage(
      threadCount: threadCount, isClaimable: isClaimable, chains: graph.blobs.map { _ in -1 })
  }
}
