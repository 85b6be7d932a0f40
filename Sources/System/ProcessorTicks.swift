/// How all processors have spent their time since the machine started, in ticks of the kernel.
public struct ProcessorTicks: Sendable, Equatable {
  public let total: Int
  /// What a hypervisor gave to others while something here wanted to run.
  public let stolen: Int

  /// Nil where the kernel does not say.
  public static var now: ProcessorTicks? {
    // The file has a line for every processor and every interrupt.
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = bytes.withUnsafeMutableBytes { bytes in (try? File(reading: "/proc/stat").read(into: bytes)) ?? 0 }
    return ProcessorTicks(parsing: Array(bytes[..<count]))
  }

  /// The first line of /proc/stat: `cpu`, then user, nice, system, idle, iowait, irq, softirq, steal; what follows counts in user
  /// and nice already.
  public init?(parsing bytes: [UInt8]) {
    guard let line = bytes.split(separator: UInt8(ascii: "\n"), maxSplits: 1).first else { return nil }
    let fields = line.split(separator: UInt8(ascii: " "))
    guard fields.count >= 9, fields[0].elementsEqual("cpu".utf8) else { return nil }
    var (sum, last) = (0, 0)
    for field in fields[1...8] {
      guard let value = Int(String(decoding: field, as: UTF8.self)), value >= 0 else { return nil }
      let (added, overflow) = sum.addingReportingOverflow(value)
      if overflow { return nil }
      (sum, last) = (added, value)
    }
    (total, stolen) = (sum, last)
  }
}
