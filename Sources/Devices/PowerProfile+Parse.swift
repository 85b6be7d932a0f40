import Power
import Protocols

extension PowerProfile {
  static let batchWindowMicrosMax = 1_000_000
  static let threadCountMax = 1024

  /// Reads a profile from the text of its file, which is called `name`.json at `path`. What a file leaves out of a state on one
  /// source is as on the source before it (mains, battery, low battery); a state that it leaves out is as the cooler one.
  ///
  /// Errors: the key at fault and what it should be; a hotter state that allows more than a cooler one.
  init(parsing text: UnsafeRawBufferPointer, name: String, path: String) throws(TargetError) {
    let json: JSON
    do { json = try JSON(parsing: text) } catch { throw .malformed(path: path, error) }
    let reader = ProfileReader(path: path)
    try reader.allow(["$schema", "name", "summary", "follows_platform", "states"], in: json, at: "")
    if let said = json["name"], said.string != name {
      throw reader.invalid("name", "\(name), as the file is called")
    }
    guard let states = json["states"] else { throw reader.invalid("states", "given") }
    try reader.allow(ThermalState.allCases.map { $0.name }, in: states, at: "states")
    var efforts: [[Effort]] = []
    for state in ThermalState.allCases {
      let key = "states.\(state.name)"
      let sources = states[state.name]
      if sources == nil, let cooler = efforts.last {
        efforts.append(cooler)
        continue
      }
      guard let sources else { throw reader.invalid(key, "given") }
      try reader.allow(PowerSource.allCases.map { $0.name }, in: sources, at: key)
      var row: [Effort] = []
      for source in PowerSource.allCases {
        let place = "\(key).\(source.name)"
        if let effort = sources[source.name] {
          row.append(try Effort(effort, reader, place))
        } else if let before = row.last {
          row.append(before)
        } else {
          throw reader.invalid(place, "given")
        }
        if let cooler = efforts.last?[source.rawValue] {
          try reader.check(row[row.count - 1], isNoMoreThan: cooler, at: place)
        }
      }
      efforts.append(row)
    }
    self.init(
      name: name, summary: try reader.text(json, "summary") ?? "",
      followsPlatform: try reader.bool(json, "follows_platform", "follows_platform") ?? false, efforts: efforts)
  }
}

extension PowerProfile.Effort {
  fileprivate init(_ json: JSON, _ reader: ProfileReader, _ place: String) throws(TargetError) {
    try reader.allow(["threads", "cores", "duty_percent", "batch_window_us", "spin"], in: json, at: place)
    self.init(threads: try reader.threads(json, place))
    if let member = json["cores"] {
      guard let name = member.string, let cores = PowerProfile.CoreClass(rawValue: name) else {
        throw reader.invalid(place + ".cores", "any, big or little")
      }
      self.cores = cores
    }
    dutyPercent = try reader.number(json, "duty_percent", place, in: 1...100) ?? dutyPercent
    batchWindowMicros =
      try reader.number(json, "batch_window_us", place, in: 0...PowerProfile.batchWindowMicrosMax) ?? 0
    spins = try reader.bool(json, "spin", place + ".spin") ?? spins
  }
}

/// Members of a profile's file, and what is wrong with them.
private struct ProfileReader {
  let path: String

  func invalid(_ key: String, _ expected: String) -> TargetError {
    .invalid(path: path, member: key, expected: expected)
  }

  /// An object with no members but these: a misspelt key must not go unnoticed.
  func allow(_ names: [String], in json: JSON, at place: String) throws(TargetError) {
    guard let object = json.object else { throw invalid(place.isEmpty ? "the file" : place, "an object") }
    for member in object where !names.contains(member.name) {
      var list = ""
      for name in names { list += (list.isEmpty ? "" : ", ") + name }
      throw invalid((place.isEmpty ? "" : place + ".") + member.name, "one of " + list)
    }
  }

  func text(_ json: JSON, _ key: String) throws(TargetError) -> String? {
    guard let member = json[key] else { return nil }
    guard let text = member.string else { throw invalid(key, "a string") }
    return text
  }

  func bool(_ json: JSON, _ key: String, _ place: String) throws(TargetError) -> Bool? {
    guard let member = json[key] else { return nil }
    guard let bool = member.bool else { throw invalid(place, "true or false") }
    return bool
  }

  func number(
    _ json: JSON, _ key: String, _ place: String, in range: ClosedRange<Int>
  ) throws(TargetError) -> Int? {
    guard let member = json[key] else { return nil }
    guard let number = member.int.flatMap({ Int(exactly: $0) }), range.contains(number) else {
      throw invalid("\(place).\(key)", "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A number, or a text such as `75%`.
  func threads(_ json: JSON, _ place: String) throws(TargetError) -> PowerProfile.Threads {
    let expected = "a number of threads from 1 to \(PowerProfile.threadCountMax), or a share such as \"75%\""
    let member = json["threads"] ?? .null
    if let number = member.int.flatMap({ Int(exactly: $0) }), (1...PowerProfile.threadCountMax).contains(number) {
      return .count(number)
    }
    if let text = member.string, text.hasSuffix("%"),
      let percent = Int(String(decoding: text.utf8.dropLast(), as: UTF8.self)), (1...100).contains(percent)
    {
      return .percent(percent)
    }
    throw invalid(place + ".threads", expected)
  }

  func check(
    _ effort: PowerProfile.Effort, isNoMoreThan cooler: PowerProfile.Effort, at place: String
  ) throws(TargetError) {
    if effort.dutyPercent > cooler.dutyPercent {
      throw invalid(place + ".duty_percent", "at most \(cooler.dutyPercent), as in the cooler state")
    }
    switch (effort.threads, cooler.threads) {
    case (.count(let count), .count(let most)) where count > most:
      throw invalid(place + ".threads", "at most \(most), as in the cooler state")
    case (.percent(let percent), .percent(let most)) where percent > most:
      throw invalid(place + ".threads", "at most \"\(most)%\", as in the cooler state")
    default: return
    }
  }
}
