import System

/// Small files of the kernel's, of which any may be missing, fail or hold anything; each is `directory` and `name` together.
/// Nothing here is inlined: it is called from everywhere.
enum SensorFile {
  /// Bytes of a text that are taken.
  private static let textBytesMax = 64

  @inline(never)
  static func exists(_ directory: String, _ name: String = "") -> Bool {
    (try? FileSystem.status(of: directory + name)) != nil
  }

  /// A whole number that fits 64 bits and stands alone in the file; nil for anything else.
  @inline(never)
  static func number(_ directory: String, _ name: String = "") -> Int64? {
    guard let bytes = bytes(directory, name), let word = onlyWord(bytes) else { return nil }
    return number(word, radix: 10)
  }

  /// Whether reading says that there is nothing to read now (EAGAIN), as of a sensor in a part of the chip that is off.
  @inline(never)
  static func isOff(_ directory: String, _ name: String) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { buffer in
      do throws(SystemError) {
        _ = try File(reading: directory + name).read(into: buffer)
        return false
      } catch {
        return error.code == SystemError.wouldBlock
      }
    }
  }

  /// A whole number in a range; nil outside.
  @inline(never)
  static func number(_ directory: String, _ name: String = "", in range: ClosedRange<Int>) -> Int? {
    guard let number = number(directory, name), range.contains(Int(number)) else { return nil }
    return Int(number)
  }

  /// A number without sign in hexadecimal, with `0x` or without.
  static func hexadecimal(_ path: String) -> Int64? {
    guard let bytes = bytes(path), let word = onlyWord(bytes) else { return nil }
    return number(word.starts(with: "0x".utf8) ? word.dropFirst(2) : word, radix: 16)
  }

  /// The first line, for people too: printable ASCII, the rest as `?`.
  @inline(never)
  static func text(_ directory: String, _ name: String = "") -> String? {
    guard let bytes = bytes(directory, name) else { return nil }
    let line = bytes.prefix(while: { $0 != 10 && $0 != 0 }).prefix(textBytesMax)
    guard !line.isEmpty else { return nil }
    return String(decoding: line.map { (32...126).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
  }

  /// At most 4 KiB; nil where the file cannot be read or has more.
  @inline(never)
  static func bytes(_ directory: String, _ name: String = "") -> [UInt8]? {
    withUnsafeTemporaryAllocation(byteCount: 4097, alignment: 8) { buffer in
      guard let file = try? File(reading: directory + name), let count = try? file.read(into: buffer), count <= 4096
      else {
        return nil
      }
      return Array(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }

  private static func onlyWord(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
    let words = bytes.split(maxSplits: 1, whereSeparator: { $0 <= 32 })
    return words.count == 1 ? words[0] : nil
  }

  @inline(never)
  static func number(_ digits: ArraySlice<UInt8>, radix: Int64) -> Int64? {
    let isNegative = radix == 10 && digits.first == UInt8(ascii: "-")
    let digits = isNegative ? digits.dropFirst() : digits
    guard !digits.isEmpty else { return nil }
    var value: Int64 = 0
    for byte in digits {
      let digit: Int64
      switch byte {
      case 48...57: digit = Int64(byte) - 48
      case 97...102 where radix == 16: digit = Int64(byte) - 87
      case 65...70 where radix == 16: digit = Int64(byte) - 55
      default: return nil
      }
      let (product, overflows) = value.multipliedReportingOverflow(by: radix)
      let (sum, overflowsToo) = product.addingReportingOverflow(digit)
      if overflows || overflowsToo { return nil }
      value = sum
    }
    return isNegative ? -value : value
  }

  /// Directories of a class whose names are a prefix and a number, by number.
  static func numbered(_ prefix: String, in directory: String) -> [(number: Int, path: String)] {
    var found: [(number: Int, path: String)] = []
    for name in names(directory) where name.utf8.starts(with: prefix.utf8) {
      let digits = Array(name.utf8.dropFirst(prefix.utf8.count))
      guard digits.count <= 4, let number = number(digits[...], radix: 10), number >= 0 else { continue }
      var place = found.count
      while place > 0, found[place - 1].number > Int(number) { place -= 1 }
      found.insert((Int(number), directory + "/" + name), at: place)
    }
    return found
  }

  /// Names in a directory; none where it cannot be listed.
  static func names(_ directory: String) -> [String] { (try? FileSystem.names(in: directory)) ?? [] }

  /// `0-3,5` or `0 1 2 3`, ascending as the kernel has them; nil for anything else.
  @inline(never)
  static func processors(_ directory: String, _ name: String = "") -> [Int]? {
    guard let bytes = bytes(directory, name) else { return nil }
    return processors(bytes)
  }

  static func processors(_ text: [UInt8]) -> [Int]? {
    var listed: [Int] = []
    for part in text.split(whereSeparator: { $0 <= 32 || $0 == UInt8(ascii: ",") }) {
      let ends = part.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
      guard ends.count <= 2, let first = number(ends[0], radix: 10), let last = number(ends[ends.count - 1], radix: 10),
        Int64(listed.last ?? -1) < first, first <= last, last < Int64(processorCountMax)
      else { return nil }
      listed.append(contentsOf: Int(first)...Int(last))
    }
    return listed.isEmpty ? nil : listed
  }

  static let processorCountMax = 4096
}
