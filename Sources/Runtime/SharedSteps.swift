import CSystem
import System

/// Work in steps, one after the other, each in as many parts as there are threads. No part waits for another one.
protocol SteppedJob: AnyObject {
  var stepCount: Int { get }
  /// Whether `ends` is worth asking in this run.
  var mayEnd: Bool { get }
  /// Whether the job is over although there are more steps. Asked by one thread between steps.
  func ends(before step: Int) -> Bool
  func run(step: Int, part: Int, of parts: Int)
}

/// Lets threads take the parts of a job's steps as they come.
///
/// Each thread takes its own part of a step first, so that what it wrote in the step before is in its cache; then a part that
/// nobody has taken. A thread that the kernel has not scheduled, or that is still waking up, therefore holds up nobody: the
/// others do its parts. Only a part that has been begun is waited for.
final class SharedSteps: @unchecked Sendable {
  /// Steps and threads that fit `claims`.
  static let stepCountMax = 0xFFFF
  static let partCountMax = 15

  /// run << 32 | step << 16 | the step's parts that have been taken. All 16 bits once the run is over: a thread that is late
  /// for it can take nothing, even while the next run is being prepared.
  private let claims = AtomicWord64(SharedSteps.allTaken)
  private static let allTaken: UInt64 = 0xFFFF
  /// Parts of the step that are done.
  private let done = Futex()
  /// Counts finished steps: what threads wait on that find nothing to take.
  private let phase = Futex()
  private let sleepers = Futex()
  /// Written before a run is announced; read only by threads that have taken a part of it, and which it therefore waits for.
  private nonisolated(unsafe) var job: (any SteppedJob)?
  private nonisolated(unsafe) var mayEnd = false

  /// Turns of waiting before a thread parks: some 100 µs. A thread that parks in the middle of a run is missed at once; one
  /// that turns and is not scheduled is not.
  private static let spinCount = 2000
  private let parksAtOnce = Futex()

  var spins: Bool {
    get { parksAtOnce.load() == 0 }
    set { parksAtOnce.store(newValue ? 0 : 1) }
  }

  /// Prepares a run of at least one step; the caller tells the other threads its number and then takes part.
  func open(_ job: any SteppedJob, run: UInt32) {
    self.job = job
    mayEnd = job.mayEnd
    claims.store(UInt64(run) << 32)
  }

  func close() { job = nil }

  /// Does parts of the run until all its steps are done, or there is another run.
  func take(part own: Int, of parts: Int, run: UInt32) {
    while true {
      let current = phase.load()
      let claimed = claims.load()
      if UInt32(truncatingIfNeeded: claimed >> 32) != run || claimed & SharedSteps.allTaken == SharedSteps.allTaken {
        return
      }
      guard let part = freePart(of: claimed, own: own, parts) else {
        phase.waitForChange(from: current, sleepers: sleepers, spinCount: spins ? SharedSteps.spinCount : 0)
        continue
      }
      if !claims.compareExchange(expected: claimed, desired: claimed | 1 << UInt64(part)) { continue }
      let step = Int(claimed >> 16 & 0xFFFF)
      job!.run(step: step, part: part, of: parts)
      if done.add(1) == UInt32(parts) {
        done.store(0)
        let isLast = step + 1 == job!.stepCount || mayEnd && job!.ends(before: step + 1)
        claims.store(UInt64(run) << 32 | (isLast ? SharedSteps.allTaken : UInt64(step + 1) << 16))
        phase.add(1)
        if sleepers.load() > 0 { phase.wakeAll() }
      }
    }
  }

  /// A part that nobody has taken; one's own before others.
  private func freePart(of claimed: UInt64, own: Int, _ parts: Int) -> Int? {
    if claimed >> UInt64(own) & 1 == 0 { return own }
    for part in 0..<parts where claimed >> UInt64(part) & 1 == 0 { return part }
    return nil
  }
}
