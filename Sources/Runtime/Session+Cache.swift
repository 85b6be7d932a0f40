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

  /// Bytes of the cache that keeps as little as it can: keeping a small model takes less than letting it pass.
  public var cacheByteCountMin: Int {
    planner.costs(of: planner.least { planner.costs(of: $0).cacheByteCount }).cacheByteCount
  }

  /// Bytes of the workspace that a run needs.
  public var workspaceByteCount: Int { claim.needs.byteCount }

  /// Allows so many bytes of weights to be kept between inferences. Less gives memory back at once; more is taken now, as far
  /// as the budget has it. Returns what is kept.
  @discardableResult
  public func resizeCache(to byteCount: Int) -> Int {
    let placement = placement(cacheByteCount: byteCount)
    guard placement != weights.placement else { return cacheByteCount }
    // What passes needs a passage: it is claimed before the cache shrinks, and trimmed after it has grown.
    if let wanted = try? workspace.claim(needs(of: placement)), let reader = try? workspace.claim(planner.changingNeeds)
    {
      let old = claim
      claim = wanted
      do { try weights.setPlacement(placement, workspace: workspace) } catch { claim = old }
      _ = consume reader
    }
    workspace.trim()
    return cacheByteCount
  }

  private func needs(of placement: WeightPlacement) -> Workspace.Needs {
    planner.needs(of: placement, activationByteCount: plan.activationByteCount)
  }

  /// The fastest placement whose cache is at most so large, with the passages that the least placement needs.
  private func placement(cacheByteCount: Int) -> WeightPlacement {
    let least = planner.least { planner.costs(of: $0).cacheByteCount }
    let passage = planner.costs(of: least).runningByteCount
    return planner.placement(availableByteCount: cacheByteCount) {
      let costs = planner.costs(of: $0)
      // A passage larger than the least counts as cache: it is not to grow at the cost of others.
      return costs.cacheByteCount + max(0, costs.runningByteCount - passage)
    } ?? least
  }
}
