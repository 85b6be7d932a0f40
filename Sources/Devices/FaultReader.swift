import Protocols

/// Members as `TargetReader` has them, of which the first fault is kept instead of thrown: whoever reads dozens of them asks once,
/// at the end, and the program is smaller.
final class FaultReader {
  private let reader: TargetReader
  private(set) var fault: TargetError?

  init(_ reader: TargetReader) { self.reader = reader }

  func note(_ member: String, _ expected: String) {
    if fault == nil { fault = .invalid(path: reader.path, member: member, expected: expected) }
  }

  @inline(never)
  func number(_ object: JSON, _ name: String, in range: ClosedRange<Int>) -> Int? {
    do throws(TargetError) { return try reader.number(object, name, in: range) } catch { keep(error) }
    return nil
  }

  /// The kernel's number of a device, which must be there.
  @inline(never)
  func number(_ object: JSON, _ name: String) -> Int {
    if let number = number(object, name, in: 0...9999) { return number }
    note(name, "given")
    return 0
  }

  @inline(never)
  func numbers(_ object: JSON, _ name: String, in range: ClosedRange<Int>) -> [Int] {
    do throws(TargetError) { return try reader.numbers(object, name, in: range) } catch { keep(error) }
    return []
  }

  @inline(never)
  func bool(_ object: JSON, _ name: String) -> Bool? {
    do throws(TargetError) { return try reader.bool(object, name) } catch { keep(error) }
    return nil
  }

  @inline(never)
  func text(_ object: JSON, _ name: String) -> String? {
    do throws(TargetError) { return try reader.text(object, name) } catch { keep(error) }
    return nil
  }

  /// A name for people: short, and of printable ASCII, whatever the file has.
  @inline(never)
  func label(_ object: JSON, _ name: String) -> String {
    let bytes = (text(object, name) ?? "").utf8.prefix(64)
    return String(decoding: bytes.map { (32...126).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
  }

  @inline(never)
  func double(_ object: JSON, _ name: String, in range: ClosedRange<Double>) -> Double? {
    guard let value = object[name], value != .null else { return nil }
    if let number = value.double, range.contains(number) { return number }
    note(name, "a number in its range")
    return nil
  }

  @inline(never)
  func object(_ object: JSON, _ name: String) -> JSON? {
    guard let value = object[name], value != .null else { return nil }
    if value.object == nil { note(name, "an object") }
    return value
  }

  @inline(never)
  func objects(_ object: JSON, _ name: String, countMax: Int) -> [JSON] {
    do throws(TargetError) { return try reader.objects(object, name, countMax: countMax) } catch { keep(error) }
    return []
  }

  private func keep(_ error: TargetError) { fault = fault ?? error }
}
