import Memory
import ThimbleClient

/// One option a command understands.
struct Option: Sendable {
  let name: String
  /// What the value stands for in the help; nil for a switch.
  let value: String?
  let help: String

  init(_ name: String, _ value: String? = nil, _ help: String) {
    self.name = name
    self.value = value
    self.help = help
  }
}

/// A command: what it is called, what it takes, what it does.
struct Command: Sendable {
  let name: String
  /// The positional arguments, as the usage line shows them.
  let positionals: String
  let summary: String
  /// Further paragraphs for `--help`: units, examples.
  let details: String
  let options: [Option]
  let run: @Sendable (Arguments) throws(CommandError) -> Void

  var help: String {
    var text =
      "usage: thimble \(name)\(positionals.isEmpty ? "" : " " + positionals)\(options.isEmpty ? "" : " [options]")\n\n"
    text += summary + "\n"
    if !details.isEmpty { text += "\n" + details + "\n" }
    text += "\noptions:\n"
    for option in options + [Option("help", nil, "say this")] {
      let left = "  --" + option.name + (option.value.map { " " + $0 } ?? "")
      let padding = max(2, 28 - left.utf8.count)
      text += left + String(repeating: " ", count: padding) + option.help + "\n"
    }
    return text
  }
}

/// A parsed command line.
struct Arguments {
  let command: String
  let positionals: [String]
  private let values: [(name: String, value: String)]

  init(_ words: [String], for command: Command) throws(CommandError) {
    var positionals: [String] = []
    var values: [(name: String, value: String)] = []
    var index = 0
    var optionsHaveEnded = false
    while index < words.count {
      let word = words[index]
      index += 1
      guard !optionsHaveEnded, word.utf8.count > 1, word.utf8.first == UInt8(ascii: "-") else {
        positionals.append(word)
        continue
      }
      if word == "--" {
        optionsHaveEnded = true
        continue
      }
      // `--name=value` and `--name value` mean the same; -h and -o are short for the two people type most.
      let bytes = Array((word == "-h" ? "--help" : word == "-o" ? "--output" : word).utf8.dropFirst(2))
      let equals = bytes.firstIndex(of: UInt8(ascii: "="))
      let name = String(decoding: bytes[..<(equals ?? bytes.count)], as: UTF8.self)
      if name == "help" {
        values.append(("help", ""))
        continue
      }
      guard let option = command.options.first(where: { $0.name == name }) else {
        throw .usage("thimble \(command.name) has no option --\(name); `thimble \(command.name) --help` lists them")
      }
      if option.value == nil {
        guard equals == nil else { throw .usage("--\(name) takes no value") }
        values.append((name, ""))
      } else if let equals {
        values.append((name, String(decoding: bytes[(equals + 1)...], as: UTF8.self)))
      } else {
        guard index < words.count else { throw .usage("--\(name) needs a value: --\(name) \(option.value!)") }
        values.append((name, words[index]))
        index += 1
      }
    }
    self.command = command.name
    self.positionals = positionals
    self.values = values
  }

  func has(_ name: String) -> Bool { values.contains { $0.name == name } }
  func all(_ name: String) -> [String] { values.filter { $0.name == name }.map { $0.value } }
  func text(_ name: String) -> String? { values.last { $0.name == name }?.value }

  /// The one positional argument; another number of them is an error.
  func onlyPositional(_ what: String) throws(CommandError) -> String {
    guard positionals.count == 1 else {
      throw .usage("give one \(what), not \(positionals.count); `thimble \(command) --help` says more")
    }
    return positionals[0]
  }

  /// Where the daemon listens that is asked.
  var socketPath: String { text("socket") ?? ThimbleClient.installedSocketPath }

  func required(_ name: String) throws(CommandError) -> String {
    guard let value = text(name) else { throw .usage("--\(name) is needed; `thimble \(command) --help` says more") }
    return value
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(CommandError) -> Int? {
    guard let text = text(name) else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw .usage("--\(name) takes a whole number from \(range.lowerBound) to \(range.upperBound), not \(text)")
    }
    return value
  }

  /// Whole numbers with commas between; none where the option is not given.
  func integers(_ name: String, in range: ClosedRange<Int>) throws(CommandError) -> [Int] {
    var values: [Int] = []
    for word in words(name) {
      guard let value = Int(word), range.contains(value) else {
        throw .usage(
          "--\(name) takes whole numbers from \(range.lowerBound) to \(range.upperBound), as in 1,2, not \(word)")
      }
      values.append(value)
    }
    return values
  }

  /// Sizes with commas between; none where the option is not given.
  func byteCounts(_ name: String) throws(CommandError) -> [Int] {
    var values: [Int] = []
    for word in words(name) {
      guard let value = ByteCount.parse(word), value > 0 else {
        throw .usage("--\(name) takes sizes as in 4M,64M, not \(word)")
      }
      values.append(value)
    }
    return values
  }

  private func words(_ name: String) -> [String] {
    (text(name) ?? "").utf8.split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) }
  }

  func byteCount(_ name: String) throws(CommandError) -> Int? {
    guard let text = text(name) else { return nil }
    guard let value = ByteCount.parse(text), value > 0 else {
      throw .usage("--\(name) takes a size such as 65536, 512K, 64M or 1G, not \(text)")
    }
    return value
  }
}
