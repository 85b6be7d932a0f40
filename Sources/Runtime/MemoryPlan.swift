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
  /// Threads that load.
  let loaderCount: Int

  var usage: WeightStore.Usage { planner.usage }

  /// What a run and what loading need of the workspace.
  var runningNeeds: Workspace.Needs {
    planner.needs(of: placement, activationByteCount: plan.activationByteCount)
  }
  var loadingNeeds: Workspace.Needs { planner.loadingNeeds(of: placement, loaderCount: loaderCount) }

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
    _ plan: Plan, _ planner: WeightPlanner, _ placement: WeightPlacement, _ metadataByteCount: Int, loaders: Int
  ) {
    self.plan = plan
    self.planner = planner
    self.placement = placement
    self.metadataByteCount = metadataByteCount
    costs = planner.costs(of: placement)
    tableByteCount = Mapping.roundedToPages(plan.tableByteCount)
    loaderCount = loaders
  }

  /// The fastest plan that takes at most `availableByteCount` beside what the workspace has already; nil where there is none.
  init?(
    _ plan: Plan, _ planner: WeightPlanner, metadataByteCount: Int, availableByteCount: Int, workspace: Workspace?
  ) {
    for loaders in planner.loaderCount > 1 ? [planner.loaderCount, 1] : [1] {
      func candidate(_ placement: WeightPlacement) -> MemoryPlan {
        MemoryPlan(plan, planner, placement, metadataByteCount, loaders: loaders)
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
      MemoryPlan(plan, planner, placement, metadataByteCount, loaders: 1)
    }
    return candidate(planner.least { candidate($0).peakByteCount(workspace) })
  }

  /// The plan that keeps everything.
  static func full(_ plan: Plan, _ planner: WeightPlanner, metadataByteCount: Int) -> MemoryPlan {
    MemoryPlan(plan, planner, planner.keepingAll, metadataByteCount, loaders: planner.loaderCount)
  }

  /// The least that a model takes with so many threads.
  public static func least(_ file: borrowing ModelFile, threadCount: Int) -> MemoryPlan {
    least(file, Plan.candidates(file.graph, threadCount: threadCount), rates: DeviceRates(), workspace: nil)
  }

  private static func least(
    _ file: borrowing ModelFile, _ plans: [Plan], rates: DeviceRates, workspace: Workspace?
  ) -> MemoryPlan {
    var best: MemoryPlan?
    for plan in plans {
      let planner = WeightPlanner(file, usage: plan.weightUsage(file.graph), rates: rates)
      let candidate = least(plan, planner, metadataByteCount: file.graphByteCount, workspace: workspace)
      if let best, candidate.peakByteCount(workspace) >= best.peakByteCount(workspace) { continue }
      best = candidate
    }
    return best!  // there is always a plan
  }

  /// What a whole model takes at full speed with so many threads.
  public static func full(_ file: borrowing ModelFile, threadCount: Int) -> MemoryPlan {
    let plan = Plan.candidates(file.graph, threadCount: threadCount)[0]
    let planner = WeightPlanner(file, usage: plan.weightUsage(file.graph), rates: DeviceRates())
    return full(plan, planner, metadataByteCount: file.graphByteCount)
  }

  /// The plan that a session follows: of `plans`, or of the graph's candidates, the one that is predicted to be the fastest in
  /// the memory that there is. Errors: nothing fits; the error names the least budget that would do.
  public init(
    _ file: borrowing ModelFile, threadCount: Int, availableByteCount: Int, rates: DeviceRates = DeviceRates(),
    workspace: Workspace? = nil, plans: [Plan]? = nil, _ budget: MemoryBudget
  ) throws(MemoryError) {
    let graph = file.graph
    if plans == nil, !StripingCost.maySaveTime(graph) {
      // Where all weights stay, chains could only cost time: the common case takes no search.
      let whole = Plan(graph, threadCount: threadCount)
      let planner = WeightPlanner(file, usage: whole.weightUsage(graph), rates: rates)
      let found = MemoryPlan(
        whole, planner, metadataByteCount: file.graphByteCount, availableByteCount: availableByteCount,
        workspace: workspace)
      if let found, planner.passingNanoseconds(found.placement) == 0 {
        self = found
        return
      }
    }
    let plans = plans ?? Plan.candidates(graph, threadCount: threadCount)
    var best: (plan: MemoryPlan, nanoseconds: Double)?
    for plan in plans {
      // Weights that pass only add to it.
      if let best, plan.overheadNanoseconds >= best.nanoseconds { continue }
      let planner = WeightPlanner(file, usage: plan.weightUsage(graph), rates: rates)
      guard
        let found = MemoryPlan(
          plan, planner, metadataByteCount: file.graphByteCount, availableByteCount: availableByteCount,
          workspace: workspace)
      else { continue }
      let nanoseconds = plan.overheadNanoseconds + planner.passingNanoseconds(found.placement)
      if best == nil || nanoseconds < best!.nanoseconds { best = (found, nanoseconds) }
    }
    if let best {
      self = best.plan
      return
    }
    let least = MemoryPlan.least(file, plans, rates: rates, workspace: workspace).peakByteCount(workspace)
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
    var chains = graph.blobs.map { _ in -1 }
    for (number, chain) in self.chains.enumerated() {
      for index in chain.operators {
        if let blob = graph.operators[index].operation.weights { chains[blob] = number }
      }
    }
    return WeightStore.Usage(threadCount: threadCount, isClaimable: isClaimable, chains: chains)
  }
}
