import Memory

/// Inferences that run together: each step does all of them before the next one, so that weights are brought once for all.
/// Each has activations of its own; its bytes are those of a run by itself. Between runs, on the thread that runs the session.
extension Session {
  /// Bytes from one inference's activations to the next one's: whole cache lines, an odd number of them, so that what lies at
  /// the same place in several does not fall into the same lines of a cache.
  var inferenceByteCount: Int { (plan.activationByteCount + 63) / 64 * 64 | 64 }

  func activationBase(of inference: Int) -> UnsafeMutableRawPointer {
    precondition(inference >= 0 && inference < roomCount)
    return workspace.activationBase + inference * inferenceByteCount
  }

  /// Bytes that room for so many inferences takes beside a run's own.
  public func roomByteCount(_ count: Int) -> Int { (count - 1) * inferenceByteCount }

  /// Makes room for at most `wanted` inferences at once, as far as the budget has it; returns for how many there is. What inputs
  /// were written is lost.
  public func makeRoom(for wanted: Int) -> Int {
    var count = wanted
    while count > roomCount {
      var needs = claim.needs
      let (extra, overflow) = (count - 1).multipliedReportingOverflow(by: inferenceByteCount)
      if !overflow, extra <= 1 << 40 {
        needs.activationByteCount += extra
        if let larger = try? workspace.claim(needs) {
          room = larger
          roomCount = count
          break
        }
      }
      count -= max(1, count / 4)
    }
    return min(wanted, roomCount)
  }

  /// Keeps room for one inference only; the workspace shrinks when it is trimmed.
  public func giveUpRoom() {
    room = nil
    roomCount = 1
  }
}
