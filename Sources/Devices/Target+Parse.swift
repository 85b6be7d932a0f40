import Protocols

extension Target {
  /// Most bytes that a size in a target's file may name.
  static let byteCountMax = 1 << 50

  /// Reads a target from the text of its file, which is called `name`.json at `path`.
  init(parsing text: UnsafeRawBufferPointer, name: String, path: String) throws(TargetError) {
    let json: JSON
    do { json = try JSON(parsing: text) } catch { throw .malformed(path: path, error) }
    let reader = TargetReader(path: path)
    self.init(name: name)
    try reader.requireObject(json, "the file")
    if let said = try reader.text(json, "name"), said != name {
      throw .invalid(path: path, member: "name", expected: "\(name), as the file is called")
    }
    if let member = json["recognised_by"] {
      try reader.requireObject(member, "recognised_by")
      recognition.architecture = try reader.text(member, "architecture")
      recognition.compatiblePrefixes = try reader.texts(member, "compatible")
      recognition.modelPrefixes = try reader.texts(member, "model")
    }
    if let member = json["memory"] {
      try reader.requireObject(member, "memory")
      memory.totalByteCount = try reader.number(member, "total_bytes", in: 1...Target.byteCountMax)
      memory.budgetByteCount = try reader.number(member, "budget_bytes", in: 1...Target.byteCountMax)
      memory.budgetPercent = try reader.number(member, "budget_percent", in: 1...100) ?? memory.budgetPercent
      if let gpu = member["gpu"] {
        try reader.requireObject(gpu, "gpu")
        memory.gpu.isShared = try reader.bool(gpu, "shared") ?? false
        memory.gpu.reservedByteCount = try reader.number(gpu, "reserved_bytes", in: 0...Target.byteCountMax) ?? 0
      }
    }
  }
}

/// Members of the form that they should have; nil for those that are absent or null.
private struct TargetReader {
  let path: String

  func requireObject(_ value: JSON, _ name: String) throws(TargetError) {
    if value.object == nil { throw .invalid(path: path, member: name, expected: "an object") }
  }

  private func member(_ object: JSON, _ name: String) -> JSON? {
    guard let value = object[name], value != .null else { return nil }
    return value
  }

  func text(_ object: JSON, _ name: String) throws(TargetError) -> String? {
    guard let value = member(object, name) else { return nil }
    guard let text = value.string else { throw .invalid(path: path, member: name, expected: "a string") }
    return text
  }

  /// Texts that are not empty: an empty beginning would be everything's.
  func texts(_ object: JSON, _ name: String) throws(TargetError) -> [String] {
    guard let value = member(object, name) else { return [] }
    var texts: [String] = []
    for element in value.array ?? [.null] {
      guard let text = element.string, !text.isEmpty else {
        throw .invalid(path: path, member: name, expected: "a list of strings that are not empty")
      }
      texts.append(text)
    }
    return texts
  }

  func number(_ object: JSON, _ name: String, in range: ClosedRange<Int>) throws(TargetError) -> Int? {
    guard let value = member(object, name) else { return nil }
    guard let number = value.int.flatMap({ Int(exactly: $0) }), range.contains(number) else {
      throw .invalid(
        path: path, member: name, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func bool(_ object: JSON, _ name: String) throws(TargetError) -> Bool? {
    guard let value = member(object, name) else { return nil }
    guard let bool = value.bool else { throw .invalid(path: path, member: name, expected: "true or false") }
    return bool
  }
}
