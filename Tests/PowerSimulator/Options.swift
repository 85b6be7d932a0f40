import Foundation

/// What the command line asks for: names, each with a value.
struct Options {
  private var values: [String: String] = [:]

  init(_ arguments: [String], known: [String]) {
    var rest = arguments[...]
    while let name = rest.popFirst() {
      guard known.contains(name), let value = rest.popFirst() else {
        Options.fail("\(name): one of \(known.joined(separator: " ")), each with a value")
      }
      values[name] = value
    }
  }

  func text(_ name: String) -> String? { values[name] }

  func number(_ name: String, _ fallback: Double) -> Double {
    guard let text = values[name] else { return fallback }
    guard let value = Double(text), value > 0, value <= 100_000 else {
      Options.fail("\(name) \(text): a number above 0")
    }
    return value
  }

  /// The one of that name, or all where none is named.
  func chosen<Value>(_ option: String, _ all: [Value], _ name: (Value) -> String) -> [Value] {
    guard let wanted = values[option] else { return all }
    let found = all.filter { name($0) == wanted }
    if found.isEmpty { Options.fail("\(option) \(wanted): there are \(all.map(name).joined(separator: ", "))") }
    return found
  }

  static func fail(_ message: String) -> Never {
    FileHandle.standardError.write(Data("PowerSimulator: \(message)\n".utf8))
    exit(2)
  }
}
