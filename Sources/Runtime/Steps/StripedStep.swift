import Memory

/// A chain of operators, stripe by stripe.
///
///     for each stripe: for each member: compute the rows that are missing for this stripe; wait for the other threads
final class StripedStep: Step {
  private let chain: Chain
  private let members: [any RowStep]
  private let weights: [LayerWeights]

  init(_ chain: Chain, members: [any RowStep], weights: [LayerWeights]) {
    self.chain = chain
    self.members = members
    self.weights = weights
  }

  var runsTogether: Bool { true }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int) {
    var clock = NoClock()
    run(context, part: part, of: parts, &clock)
  }

  func run(_ context: borrowing StepContext, part: Int, of parts: Int, clock: inout OperatorClock) {
    var members = ChainClock(first: clock.beginStep(operatorCount: members.count), clock: clock)
    run(context, part: part, of: parts, &members)
    clock = members.clock
  }

  private func run<Clock: MemberClock>(
    _ context: borrowing StepContext, part: Int, of parts: Int, _ clock: inout Clock
  ) {
    clock.begin(member: 0)
    for index in weights.indices { weights[index].hold(part: part) }
    runStripes(context, part: part, of: parts, &clock)
    for inference in 1..<context.inferenceCount {
      runStripes(context.only(inference), part: part, of: parts, &clock)
    }
    for index in weights.indices { weights[index].letGo() }
  }

  private func runStripes<Clock: MemberClock>(
    _ context: borrowing StepContext, part: Int, of parts: Int, _ clock: inout Clock
  ) {
    var done = Chain.Rows()
    var end = 0
    while end < chain.rowCount {
      // The last member may still run elsewhere while the first one goes on, unless it reads the first one's ring.
      if end > 0 && chain.lastReadsFirst { context.wait(part: part) }
      end = min(chain.rowCount, end + chain.stripeRowCount)
      let targets = chain.targets(end)
      for member in members.indices {
        if member > 0 { context.wait(part: part) }
        let rows = Int(done[member])..<Int(targets[member])
        clock.begin(member: member)
        if !rows.isEmpty { members[member].run(context, rows: rows, part: part, of: parts) }
        clock.finish()
      }
      done = targets
    }
  }
}
