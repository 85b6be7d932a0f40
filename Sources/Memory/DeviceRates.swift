import System

/// How fast this device does what a memory plan trades against each other. Nanoseconds of one thread.
public struct DeviceRates: Sendable, Equatable {
  /// To decode a byte of a compressed tile (of its frame: the time goes with what there is to say), and to read a byte of the
  /// file that the kernel has in its cache.
  public var decodeNanosecondsPerByte = 1.8
  public var readNanosecondsPerByte = 0.12
  /// What a read costs besides: the system call.
  public var entryNanoseconds = 500.0
  /// A multiplication with its addition in a convolution, a byte that it writes, and a byte of its weights where there are too
  /// few pixels for anything else to count.
  public var multiplyAddNanoseconds = 0.005
  public var outputNanoseconds = 0.1
  public var weightNanosecondsPerByte = 0.02
  /// A multiplication with its addition and its share of the output in a depthwise convolution.
  public var depthwiseMultiplyAddNanoseconds = 0.03
  /// A byte written by any other operator.
  public var byteNanoseconds = 0.15

  public init() {}

  /// The values in the order in which a file keeps them.
  private var values: [Double] {
    get {
      [
        decodeNanosecondsPerByte, readNanosecondsPerByte, entryNanoseconds, multiplyAddNanoseconds, outputNanoseconds,
        weightNanosecondsPerByte, depthwiseMultiplyAddNanoseconds, byteNanoseconds,
      ]
    }
    set {
      decodeNanosecondsPerByte = newValue[0]
      readNanosecondsPerByte = newValue[1]
      entryNanoseconds = newValue[2]
      multiplyAddNanoseconds = newValue[3]
      outputNanoseconds = newValue[4]
      weightNanosecondsPerByte = newValue[5]
      depthwiseMultiplyAddNanoseconds = newValue[6]
      byteNanoseconds = newValue[7]
    }
  }

  /// Value by value the one in the middle. Precondition: there is one.
  public init(medianOf samples: [DeviceRates]) {
    values = values.indices.map { index in samples.map { $0.values[index] }.sorted()[samples.count / 2] }
  }

  private static let header = "thimble device rates 3"

  /// One line a value, in millionths of a nanosecond: whole numbers, so that a text reads back as what it was.
  public var text: String {
    var text = DeviceRates.header + "\n"
    for value in values { text += "\(Int((value * 1e6).rounded()))\n" }
    return text
  }

  /// Nil where the text is not one that `text` wrote, or says what no device does.
  public init?(parsing text: [UInt8]) {
    let lines = text.split(separator: UInt8(ascii: "\n"))
    guard lines.count == values.count + 1, lines[0].elementsEqual(DeviceRates.header.utf8) else { return nil }
    var read: [Double] = []
    for line in lines.dropFirst() {
      guard let value = Int(String(decoding: line, as: UTF8.self)), (1...1_000_000_000_000).contains(value) else {
        return nil
      }
      read.append(Double(value) / 1e6)
    }
    values = read
  }
}

extension DeviceRates {
  /// Rates measured before on this device for kernels of a name; nil where there are none.
  public static func cached(_ name: String) -> DeviceRates? {
    guard let text = CacheFolder.bytes(of: "rates-" + name, limit: 4096) else { return nil }
    return DeviceRates(parsing: text)
  }

  /// Keeps the rates for the next start; where that is not possible they are measured again.
  public func cache(_ name: String) { CacheFolder.keep(Array(text.utf8), as: "rates-" + name) }
}
