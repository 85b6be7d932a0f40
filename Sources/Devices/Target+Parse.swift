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
    if let member = json["power"] {
      try reader.requireObject(member, "power")
      power = try Target.power(member, reader)
    }
  }
}
