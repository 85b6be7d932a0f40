import Memory
import ModelFile

/// What a session keeps of its weights between inferences. Between runs, on the thread that runs it.
extension Session {
  /// Bytes of the budget held whatever the cache: metadata, tables, constants.
  public var floorByteCount: Int { metadataByteCount + weights.costs.fixedByteCount }

  /// Bytes of weights kept between inferences: decoded tiles, resident pages of the file.
  public var cacheByteCount: Int { weights.costs.cacheByteCount }

  /// Bytes of the cache that keeps everything.
  public var cacheByteCountMax: Int { planner.costs(of: planner.keepingAll).cacheByteCount }

  /// Allows so many bytes of weights to be kept between inferences. Less gives memory back at once; more is taken now, as far
  /// as the budget has it. Returns what is kept.
  @discardableResult
  public func resizeCache(to byteCount: Int) -> Int {
    let placement = placement(cacheByteCount: byteCount)
    guard placement != weights.placement else { return cacheByteCount }
    do {
      // What passes needs a passage: it is claimed before the cache shrinks, and trimmed after it has grown.
      claim = try workspace.claim(planner.needs(of: placement, activationByteCount: plan.activationByteCount))
      try weights.setPlacement(placement, workspace: workspace)
      workspace.trim()
    } catch {
      restoreClaim()
    }
    return cacheByteCount
  }

  private func restoreClaim() {
    let needs = planner.needs(of: weights.placement, activationByteCount: plan.activationByteCount)
    if let old = try? workspace.claim(needs) { claim = old }
    workspace.trim()
  }

  /// The fastest placement whose cache is at most so large, with the passages that the least placement needs.
  private func placement(cacheByteCount: Int) -> WeightPlacement {
    planner.placement(availableByteCount: cacheByteCount) {
      let costs = planner.costs(of: $0)
      // A passage larger than the least counts as cache: it is not to grow at the cost of others.
      return costs.cacheByteCount + max(0, costs.runningByteCount - planner.costs(of: planner.least).runningByteCount)
    } ?? planner.least
  }
}
