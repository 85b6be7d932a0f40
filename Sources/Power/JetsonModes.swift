import System

/// NVIDIA's table of power modes, `nvpmodel.conf`: a mode's lines follow `< POWER_MODEL ID=1 NAME=7W >`.
enum JetsonModes {
  private static let fileBytesMax = 64 << 10

  /// As much of mode `number` as the table tells.
  static func mode(_ number: Int, configuration: String) -> PowerReadings.BoardMode {
    var mode = PowerReadings.BoardMode(number: number)
    guard let bytes = try? File.bytes(of: configuration, limit: fileBytesMax) else { return mode }
    var isInside = false
    for line in bytes.split(separator: 10) {
      let words = line.split(whereSeparator: { $0 <= 32 || $0 == UInt8(ascii: "<") || $0 == UInt8(ascii: ">") })
      guard let first = words.first else { continue }
      if first.elementsEqual("POWER_MODEL".utf8) {
        isInside = value("ID=", in: words).flatMap { SensorFile.number($0, radix: 10) } == Int64(number)
        if isInside { mode.name = name(in: words) }
      } else if isInside, words.count == 3, let setting = SensorFile.number(words[2], radix: 10) {
        if first.elementsEqual("CPU_ONLINE".utf8) {
          // Counted lines: as many as the file has, at most.
          mode.coreCount = (mode.coreCount ?? 0) + (setting == 1 ? 1 : 0)
        } else if first.starts(with: "CPU_".utf8), words[1].elementsEqual("MAX_FREQ".utf8),
          (1...100_000_000).contains(setting)
        {
          mode.frequencyCap = max(mode.frequencyCap ?? 0, Int(setting))
        }
      }
    }
    return mode
  }

  private static func value(_ key: String, in words: [ArraySlice<UInt8>]) -> ArraySlice<UInt8>? {
    words.first { $0.starts(with: key.utf8) }?.dropFirst(key.utf8.count)
  }

  private static func name(in words: [ArraySlice<UInt8>]) -> String {
    guard let value = value("NAME=", in: words), value.count <= 32, value.allSatisfy({ (33...126).contains($0) }) else {
      return ""
    }
    return String(decoding: value, as: UTF8.self)
  }
}
