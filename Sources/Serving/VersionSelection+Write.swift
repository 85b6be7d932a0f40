import Protocols

extension VersionSelection {
  /// Its members of a model's configuration.
  func write(to writer: inout JSONWriter) {
    writer.key("version_policy")
    writePolicy(to: &writer)
    if !labels.isEmpty {
      writer.key("version_labels")
      writer.beginObject()
      for label in labels { writer.member(label.name, label.version) }
      writer.endObject()
    }
    guard !traffic.isEmpty else { return }
    writer.key("traffic")
    writer.beginObject()
    for share in traffic { writer.member("\(share.version)", share.weight) }
    writer.endObject()
    writer.member("traffic_by", stickiness.rawValue)
    writer.key("rollback")
    writer.beginObject()
    writer.member("enable", rollback.isEnabled)
    writer.member("window_seconds", rollback.windowSeconds)
    writer.member("min_request_count", rollback.requestCountMin)
    writer.key("margin")
    writer.float(rollback.margin)
    writer.endObject()
  }

  /// A bound on their bytes.
  var jsonBytesMax: Int {
    var byteCount = 320 + 48 * traffic.count
    for label in labels { byteCount += 24 + label.name.jsonByteCount }
    if case .specific(let versions) = policy { byteCount += 21 * versions.count }
    return byteCount
  }

  private func writePolicy(to writer: inout JSONWriter) {
    writer.beginObject()
    switch policy {
    case .latest(let count):
      writer.key("latest")
      writer.beginObject()
      writer.member("num_versions", count)
    case .all:
      writer.key("all")
      writer.beginObject()
    case .specific(let versions):
      writer.key("specific")
      writer.beginObject()
      writer.member("versions", versions)
    }
    writer.endObject()
    writer.endObject()
  }
}
