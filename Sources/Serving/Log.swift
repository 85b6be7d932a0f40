import Memory
import System

/// One line an event, on standard error.
struct Log: Sendable {
  let isQuiet: Bool

  func line(_ text: String) {
    if !isQuiet { Console.error("thimble: " + text) }
  }

  func budget(_ budget: MemoryBudget) -> String {
    "\(ByteCount.text(budget.reservedByteCount)) of \(ByteCount.text(budget.limitByteCount)) reserved"
  }

  /// Says what is loaded of a model now.
  func load(_ name: String, _ repository: ModelRepository, failure: ServingError?) {
    if let entry = repository.entries.first(where: { $0.name == name }) {
      for model in entry.loaded where model.fileFault.reported == nil {
        line("model \(name) version \(model.version) is ready: \(ByteCount.text(model.byteCount))")
      }
    }
    if let failure { line("model \(name) is not loaded: \(failure.message)") }
  }
}
