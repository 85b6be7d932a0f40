import Protocols
import System

extension ModelRepository.Entry {
  /// The number of a version that a client names.
  func number(of text: String) -> Int? { selection?.version(named: text) ?? ModelDirectory.version(text) }

  private func ready(_ number: Int) -> LoadedModel? {
    versions.first { $0.number == number && $0.isReady }?.model
  }

  /// The version that a request gets by its key; without a key the one that gets most. Nil where none that has a share is ready.
  func shared(by key: RoutingKey?) -> LoadedModel? {
    guard let traffic else { return nil }
    var total = 0
    var most: (weight: Int, model: LoadedModel)?
    for share in traffic.shares where traffic.weight(share) > most?.weight ?? 0 {
      if let model = ready(share.version) { most = (traffic.weight(share), model) }
    }
    guard let most else { return nil }
    guard let key else { return most.model }
    for share in traffic.shares where ready(share.version) != nil { total += traffic.weight(share) }
    var point = key.point(below: total, model: name)
    for share in traffic.shares {
      guard let model = ready(share.version) else { continue }
      if point < traffic.weight(share) { return model }
      point -= traffic.weight(share)
    }
    return most.model
  }

  /// Takes over what the configuration says; a version that has lost its share gets it back where the shares have changed.
  mutating func select(_ selection: VersionSelection) {
    let isSame = self.selection?.traffic == selection.traffic && self.selection?.rollback == selection.rollback
    self.selection = selection
    if selection.traffic.isEmpty {
      traffic = nil
    } else if !isSame || traffic == nil {
      traffic = TrafficWatch(selection)
    }
  }
}

extension Server {
  /// Finds the version for an inference; whether it was one that shares the model's requests with others.
  func route(
    _ connection: Connection, _ reference: ModelReference
  ) throws(ServingError) -> (model: LoadedModel, isShared: Bool) {
    try repository.route(reference) { routingKey(connection, of: reference.name) }
  }

  /// What the client gave; else its connection, or its user where the model wants that.
  private func routingKey(_ connection: Connection, of model: String) -> RoutingKey {
    if let key = connection.head?.routingKey { return RoutingKey(key) }
    if let body = connection.body?.bytes {
      let count = connection.head?.inferenceHeaderContentLength ?? body.count
      let text = UnsafeRawBufferPointer(rebasing: body.prefix(max(0, min(count, ServingLimits.loopParseBytesMax))))
      if let key = InferenceParameters.routingKey(in: text) { return RoutingKey(key) }
    }
    if repository.index(of: model).flatMap({ repository.entries[$0].selection })?.stickiness == .user {
      return RoutingKey(UInt64(connection.socketUser ?? UInt32.max))
    }
    // Whoever is believed for whom it asks is believed over which connection.
    if let head = connection.head, head.clientUser != nil, let number = head.clientConnection {
      return RoutingKey(UInt64(number))
    }
    return RoutingKey(connection.token)
  }

  /// Takes note of what a version with a share of the requests has answered.
  func noteShared(_ metrics: ModelMetrics, _ error: ServingError?) {
    if let error, !error.isOfVersion { return }
    guard let index = repository.index(of: metrics.model),
      let rollback = repository.entries[index].traffic?.note(
        metrics.version, isError: error != nil, now: Clock.nowNanoseconds)
    else { return }
    metrics.rollbackCount += 1
    log.line(
      "model \(metrics.model) version \(rollback.version) has lost its share of the requests: "
        + "\(rollback.rate.errors) of \(rollback.rate.requests) failed, of the others' \(rollback.others.errors) of "
        + "\(rollback.others.requests); load it anew or change \"traffic\" to try again",
      .warning, of: Log.Subject(model: metrics.model, version: rollback.version))
  }

  func writeTraffic(_ writer: inout MetricsWriter) {
    writer.family("thimble_traffic_weight", .gauge, help: "Weight of a version's share of requests that name none")
    for entry in repository.entries {
      guard let traffic = entry.traffic else { continue }
      for share in traffic.shares {
        writer.sample([.init("model", entry.name), .init("version", "\(share.version)")], traffic.weight(share))
      }
    }
  }

  /// A bound on that.
  var trafficBytesMax: Int {
    repository.entries.reduce(128) { $0 + ($1.traffic?.shares.count ?? 0) * (120 + $1.name.jsonByteCount) }
  }
}

extension ServingError {
  /// Whether another version might have answered the request.
  var isOfVersion: Bool {
    switch self {
    case .inputMissing, .inputUnknown, .inputType, .inputShape, .outputUnknown, .memory, .tooLarge, .modelMemory,
      .modelChanged, .modelFile, .modelUnavailable, .repository, .system:
      true
    default: false
    }
  }
}
