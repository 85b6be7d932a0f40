import Memory
import ModelFile
import Protocols
import System
import Tables

/// Tables are opened, put to sleep and given memory for what they keep just as models are. On the worker's thread.
extension ModelResidents {
  /// Loads a version that is a table.
  func loadTable(
    name: String, version: Int, configuration: ModelConfiguration, file: consuming File, identity: FileIdentity,
    claims: ModelClaims
  ) throws(ServingError) -> LoadedModel {
    if let reason = ModelResidents.refusal(configuration) { throw .tableQuery(model: name, reason: reason) }
    let labels = try reserve(claims.labelsByteCount, for: .metadata, holding: claims.requestByteCount)
    let table = try openTable(file, sparing: nil)
    let ports = try reserve(TablePorts.byteCount(table), for: .metadata, holding: claims.requestByteCount)
    let model = LoadedModel(
      name: name, version: version, configuration: configuration, file: file, identity: identity, table: table,
      describing: [labels, ports])
    enter(model)
    return model
  }

  /// What a configuration asks that tables do not have.
  private static func refusal(_ configuration: ModelConfiguration) -> String? {
    if configuration.sequences != nil { return "a table keeps no sequences: leave them out of its config.json" }
    if configuration.generation != nil { return "a table generates nothing: leave that out of its config.json" }
    if configuration.cachesResponses {
      return "a table keeps what it has decoded: leave response_cache out of its config.json"
    }
    return nil
  }

  /// The table, opened anew where it sleeps. Errors: the budget refuses, its file has changed, it is gone.
  func wakeTable(_ model: LoadedModel) throws(ServingError) -> Table {
    if let table = model.table { return table }
    guard model.residency.state == .asleep else {
      throw .modelUnavailable(model: model.name, reason: "unloaded")
    }
    #if THIMBLE_SIGNATURES
      try model.checkSigned()
    #endif
    let table = try openTable(model.opened, sparing: model)
    guard TablePorts(table).inputs.isAlike(model.inputs), TablePorts(table).outputs.isAlike(model.outputs) else {
      throw .modelChanged(model: model.name)
    }
    model.wake(table)
    woke(model)
    return table
  }

  /// For one question that is asked now.
  func beginTable(_ model: LoadedModel) throws(ServingError) -> Table {
    let table = try wakeTable(model)
    let now = Clock.nowNanoseconds
    share(model, now)
    model.use(at: now)
    return table
  }

  private func openTable(_ file: borrowing File, sparing model: LoadedModel?) throws(ServingError) -> Table {
    var triesLeft = triesMax
    while true {
      do throws(LoadingError) { return try Table(file, budget: budget) } catch {
        switch error {
        case .file(let error): throw .modelFile(path: file.path, error)
        case .memory(let error):
          triesLeft -= 1
          guard triesLeft > 0, makeRoom(for: error, sparing: model) else {
            throw refusal(error, sparing: model)
          }
        }
      }
    }
  }
}
