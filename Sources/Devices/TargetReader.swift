import Protocols

/// Members of the form that they should have; nil for those that are absent or null.
struct TargetReader {
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

  /// Objects of a list; none where it is absent.
  func objects(_ object: JSON, _ name: String, countMax: Int) throws(TargetError) -> [JSON] {
    guard let value = member(object, name) else { return [] }
    guard let array = value.array, array.count <= countMax, array.allSatisfy({ $0.object != nil }) else {
      throw .invalid(path: path, member: name, expected: "a list of at most \(countMax) objects")
    }
    return array
  }

  func numbers(_ object: JSON, _ name: String, in range: ClosedRange<Int>) throws(TargetError) -> [Int] {
    let numbers = (member(object, name)?.array ?? []).map {
      $0.int.flatMap { Int(exactly: $0) } ?? range.lowerBound - 1
    }
    guard !numbers.isEmpty, numbers.allSatisfy({ range.contains($0) }) else {
      throw .invalid(
        path: path, member: name, expected: "a list of whole numbers from \(range.lowerBound) to \(range.upperBound)")
    }
    return numbers
  }

  func required<Value>(_ value: Value?, _ name: String) throws(TargetError) -> Value {
    guard let value else { throw .invalid(path: path, member: name, expected: "given") }
    return value
  }

  func bool(_ object: JSON, _ name: String) throws(TargetError) -> Bool? {
    guard let value = member(object, name) else { return nil }
    guard let bool = value.bool else { throw .invalid(path: path, member: name, expected: "true or false") }
    return bool
  }
}
