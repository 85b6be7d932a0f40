import Memory
import System

/// Has models give up memory that the event loop was refused, before anything that waits. Whoever asked goes on when it is
/// done.
final class RoomJob: QueuedJob, @unchecked Sendable {
  private let byteCount: Int
  /// Whose session is kept.
  private var model: LoadedModel?
  private let residents: ModelResidents
  /// Keeps the room until whoever asked takes it.
  private var held: HeldMemory?

  /// `connection`: 0 for the listener.
  init(connection: UInt64, byteCount: Int, sparing model: LoadedModel?, residents: ModelResidents) {
    self.byteCount = byteCount
    self.model = model
    self.residents = residents
    super.init(connection: connection)
  }

  override func run() {
    let byteCount = byteCount
    held = try? residents.findingRoom(sparing: model) { () throws(MemoryError) in
      try residents.buffers.reserve(byteCount)
    }
    model = nil
  }

  /// Leaves the room to whoever asked.
  func giveBack() { held = nil }
}

/// Does what the ladder's rung asks of the models.
final class PressureJob: QueuedJob, @unchecked Sendable {
  private let rung: PressureLadder.Rung
  private let residents: ModelResidents
  private var givenByteCount = 0

  init(_ rung: PressureLadder.Rung, residents: ModelResidents) {
    self.rung = rung
    self.residents = residents
    super.init(connection: 0)
  }

  override func run() { givenByteCount = residents.give(at: rung, now: Clock.nowNanoseconds) }

  override func finish(_ server: Server) -> Answer {
    server.isGivingUp = false
    if givenByteCount > 0 {
      server.log.line(
        "memory pressure: models gave back \(ByteCount.text(givenByteCount)); \(server.log.budget(server.budget))")
    }
    return .empty
  }
}

/// Puts models to sleep whose `keep_alive` has passed, unless they have been asked meanwhile.
final class SleepJob: QueuedJob, @unchecked Sendable {
  private var models: [LoadedModel]
  private var slept: [String] = []
  private let residents: ModelResidents
  private let keepAlive: KeepAlive

  init(_ models: [LoadedModel], residents: ModelResidents, keepAlive: KeepAlive) {
    self.models = models
    self.residents = residents
    self.keepAlive = keepAlive
    super.init(connection: 0)
  }

  override func run() {
    let now = Clock.nowNanoseconds
    for model in models where now >= model.sleepDueNanoseconds(keepAlive) {
      residents.sleep(model)
      slept.append("\(model.name) version \(model.version)")
    }
    models = []
  }

  override func finish(_ server: Server) -> Answer {
    server.isPuttingToSleep = false
    for model in slept { server.log.line("model \(model) sleeps; \(server.log.budget(server.budget))") }
    return .empty
  }
}

/// Drops versions that others have replaced, once every request before is done.
final class RetireJob: QueuedJob, @unchecked Sendable {
  private var models: [LoadedModel]
  private let residents: ModelResidents

  init(_ models: [LoadedModel], residents: ModelResidents) {
    self.models = models
    self.residents = residents
    super.init(connection: 0)
  }

  override var runsAfterAll: Bool { true }

  override func run() {
    for model in models { residents.retire(model) }
    models = []
  }
}
