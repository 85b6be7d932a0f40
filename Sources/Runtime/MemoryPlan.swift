import Memory
import ModelFile
import System

/// What a model takes of the budget and how it will run in it: decided from the file alone, before anything is loaded.
public struct MemoryPlan: Sendable {
  public let plan: Plan
  public let planner: WeightPlanner
  public let placement: WeightPlacement
  public let costs: WeightCosts
  let metadata: Metadata
  /// Whole pages.
  public let tableByteCount: Int
  /// Threads that load.
  let loaderCount: Int

  /// Bytes of the graph with what is made of it: while the model is loaded, and from then on. Whole pages.
  struct Metadata: Sendable {
    let loadingByteCount: Int
    let keptByteCount: Int

    init(_ file: borrowing ModelFile) {
      loadingByteCount = file.graphByteCount
      keptByteCount = file.graphByteCount - file.droppedByteCount
    }
  }

  var usage: WeightStore.Usage { planner.usage }

  /// What a run and what loading need of the workspace.
  var runningNeeds: Workspace.Needs {
    planner.needs(of: placement, activationByteCount: plan.activationByteCount)
  }
  var loadingNeeds: Workspace.Needs { planner.loadingNeeds(of: placement, loaderCount: loaderCount) }

  /// Bytes held as long as the model is loaded, whatever is kept of its weights.
  public var floorByteCount: Int { metadata.keptByteCount + tableByteCount + costs.fixedByteCount }

  /// Bytes added at most to what a workspace has already: while it is loaded or while it runs.
  func peakByteCount(_ workspace: Workspace?) -> Int {
    func missing(_ needs: Workspace.Needs) -> Int { workspace?.missingByteCount(for: needs) ?? needs.byteCount }
    let loading = metadata.loadingByteCount - metadata.keptByteCount + missing(loadingNeeds)
    return floorByteCount + costs.cacheByteCount + max(loading, missing(runningNeeds))
  }

  /// Bytes of memory it takes alone, from loading on.
  public var peakByteCount: Int { peakByteCount(nil) }

  private init(
    _ plan: Plan, _ planner: WeightPlanner, _ placement: WeightPlacement, _ metadata: Metadata, loaders: Int
  ) {
    self.plan = plan
    self.planner = planner
    self.placement = placement
    self.metadata = metadata
    costs = planner.costs(of: placement)
    tableByteCount = Mapping.roundedToPages(plan.tableByteCount)
    loaderCount = loaders
  }

  /// The fastest plan that takes at most `availableByteCount` beside what the workspace has already; nil where there is none.
  init?(
    _ plan: Plan, _ planner: WeightPlanner, metadata: Metadata, availableByteCount: Int, workspace: Workspace?
  ) {
    for loaders in planner.loaderCount > 1 ? [planner.loaderCount, 1] : [1] {
      func candidate(_ placement: WeightPlacement) -> MemoryPlan {
        MemoryPlan(plan, planner, placement, metadata, loaders: loaders)
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
    _ plan: Plan, _ planner: WeightPlanner, metadata: Metadata, workspace: Workspace?
  ) -> MemoryPlan {
    func candidate(_ placement: WeightPlacement) -> MemoryPlan {
      MemoryPlan(plan, planner, placement, metadata, loaders: 1)
    }
    return candidate(planner.least { candidate($0).peakByteCount(workspace) })
  }

  /// The plan that keeps everything.
  static func full(_ plan: Plan, _ planner: WeightPlanner, metadata: Metadata) -> MemoryPlan {
    MemoryPlan(plan, planner, planner.keepingAll, metadata, loaders: planner.loaderCount)
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
      let planner = WeightPlanner(file, usage: plan.weightUsage(file.graph, rates), rates: rates)
      let candidate = least(plan, planner, metadata: Metadata(file), workspace: workspace)
      if let best, candidate.peakByteCount(workspace) >= best.peakByteCount(workspace) { continue }
      best = candidate
    }
    return best!  // there is always a plan
  }

  /// The plans that keep all weights, one for each way to hold activations.
  static func keepingAll(_ file: borrowing ModelFile, threadCount: Int) -> [MemoryPlan] {
    var plans: [MemoryPlan] = []
    for plan in Plan.candidates(file.graph, threadCount: threadCount) {
      let planner = WeightPlanner(file, usage: plan.weightUsage(file.graph, DeviceRates()), rates: DeviceRates())
      plans.append(full(plan, planner, metadata: Metadata(file)))
    }
    return plans
  }

  /// What a whole model takes at full speed with so many threads.
  public static func full(_ file: borrowing ModelFile, threadCount: Int) -> MemoryPlan {
    let plan = Plan.candidates(file.graph, threadCount: threadCount)[0]
    let planner = WeightPlanner(file, usage: plan.weightUsage(file.graph, DeviceRates()), rates: DeviceRates())
    return full(plan, planner, metadata: Metadata(file))
  }

  /// Time that it adds to an inference at full speed without chains.
  var addedNanoseconds: Double { plan.overheadNanoseconds + planner.streamingNanoseconds(placement) }

  /// Of `plans`, or of the graph's candidates, the one that is predicted to be the fastest of those that take at most
  /// `availableByteCount` beside what the workspace has already; nil where none does.
  init?(
    _ file: borrowing ModelFile, threadCount: Int, availableByteCount: Int, rates: DeviceRates, workspace: Workspace?,
    plans: [Plan]? = nil
  ) {
    func fastest(_ plan: Plan) -> MemoryPlan? {
      MemoryPlan(
        plan, WeightPlanner(file, usage: plan.weightUsage(file.graph, rates), rates: rates),
        metadata: Metadata(file), availableByteCount: availableByteCount, workspace: workspace)
    }
    if plans == nil, !StripingCost.maySaveTime(file.graph),
      let whole = fastest(Plan(file.graph, threadCount: threadCount)), whole.costs.streamedTileCount == 0
    {
      // Where all weights stay, chains could only cost time: the common case takes no search.
      self = whole
      return
    }
    var best: MemoryPlan?
    for plan in plans ?? Plan.candidates(file.graph, threadCount: threadCount) {
      // Weights that pass only add to it.
      if let best, plan.overheadNanoseconds >= best.addedNanoseconds { continue }
      guard let found = fastest(plan) else { continue }
      if let best, found.addedNanoseconds >= best.addedNanoseconds { continue }
      best = found
    }
    guard let best else { return nil }
    self = best
  }

  /// The plan that a session follows. Errors: nothing fits; the error names the least budget that would do.
  public init(
    _ file: borrowing ModelFile, threadCount: Int, availableByteCount: Int, rates: DeviceRates = DeviceRates(),
    workspace: Workspace? = nil, plans: [Plan]? = nil, _ budget: MemoryBudget
  ) throws(MemoryError) {
    if let found = MemoryPlan(
      file, threadCount: threadCount, availableByteCount: availableByteCount, rates: rates, workspace: workspace,
      plans: plans)
    {
      self = found
      return
    }
    let least = MemoryPlan.least(
      file, plans ?? Plan.candidates(file.graph, threadCount: threadCount), rates: rates, workspace: workspace
    ).peakByteCount(workspace)
    throw .doesNotFit(
      needed: least, available: availableByteCount, leastBudget: budget.reservedByteCount + least)
  }
}

extension Plan {
  /// How the layers use their weights.
  func weightUsage(_ graph: Graph, _ rates: DeviceRates) -> WeightStore.Usage {
    let cost = CostModel(rates: rates, threadCount: threadCount, graph)
    var nanoseconds = graph.blobs.map { _ in 0.0 }
    var isClaimable = graph.blobs.map { _ in false }
    var panels = graph.blobs.map { _ in 0 }
    for step in graph.operators {
      if let blob = step.operation.weights { nanoseconds[blob] += cost.nanoseconds(step, graph) }
      guard case .convolution(let convolution) = step.operation else { continue }
      let geometry = convolution.geometry
      isClaimable[convolution.weights] =
        geometry.batches * geometry.outputHeight * geometry.outputWidth < threadCount * ConvolutionStep.pixelsAPartMin
      panels[convolution.weights] = convolution.panelByteCount
    }
    var chains = graph.blobs.map { _ in -1 }
    for (number, chain) in self.chains.enumerated() {
      for index in chain.operators {
        if let blob = graph.operators[index].operation.weights { chains[blob] = number }
      }
    }
    return WeightStore.Usage(
      threadCount: threadCount, isClaimable: isClaimable, panelByteCounts: panels, nanoseconds: nanoseconds,
      chains: chains)
  }
}
