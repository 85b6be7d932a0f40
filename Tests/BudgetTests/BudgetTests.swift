import Foundation
import TestSupport
import Testing

/// The promise about memory, kept by the built program: peak resident set ≤ what is reserved ≤ the budget, and the least
/// budget that messages name is enough. THIMBLE_BINARY names another binary, such as the static Embedded one.
@Suite(.serialized) struct BudgetTests {
  static let program = Program.chosen

  struct Figures {
    var reserved: Int
    var peak: Int
    var budget: Int

    init(_ result: Program.Result) throws {
      let json = try result.json()
      reserved = try #require(json["reserved_bytes"] as? Int)
      peak = try #require(json["peak_rss_bytes"] as? Int)
      budget = try #require(json["memory_budget_bytes"] as? Int)
    }
  }

  private func bench(_ model: String, _ options: [String], through shell: [String] = []) throws -> Program.Result {
    let words = ["bench", model, "--runs", "1", "--json"] + options
    if shell.isEmpty { return try Program.run(words, program: Self.program) }
    return try Program.run(shell + [Self.program] + words, program: "/bin/sh")
  }

  /// The model imported to a folder.
  private func imported(_ path: String, _ folder: TemporaryFolder) throws -> String {
    let model = folder.file("model.thimble")
    #expect(try Program.run(["import", path, "-o", model], program: Self.program).status == 0)
    return model
  }

  @Test(arguments: SharedFiles.models) func reservedIsAtLeastThePeak(_ path: String) throws {
    let folder = try TemporaryFolder()
    let model = try imported(path, folder)
    for file in [model, path] {
      for threads in [1, 3] {
        let figures = try Figures(try bench(file, ["--threads", "\(threads)", "--memory-budget", "1G"]))
        #expect(
          figures.peak <= figures.reserved,
          "\(file), \(threads) threads: peak \(figures.peak), reserved \(figures.reserved)")
        #expect(figures.reserved <= figures.budget && figures.budget == 1 << 30)
        if threads == 1 {
          let share = String(format: "%.1f", 100 * Double(figures.peak) / Double(figures.reserved))
          print(
            "\(URL(fileURLWithPath: path).lastPathComponent) \(file == path ? "imported on the fly" : "loaded"): reserved \(figures.reserved), peak \(figures.peak) (\(share) %)"
          )
        }
      }
    }
  }

  /// The least budget that refusals lead to, as an option's text.
  private func leastBudget(_ model: String, _ options: [String]) throws -> String {
    var text = "1K"
    for _ in 0..<20 {
      let result = try bench(model, options + ["--memory-budget", text])
      if result.status == 0 { return text }
      #expect(result.status == 1 && result.output.isEmpty)
      let words = result.error.split(separator: " ")
      let index = try #require(words.firstIndex(of: "--memory-budget"), "\(result.error)")
      text = String(words[index + 1])
    }
    Issue.record("twenty refusals in a row")
    return text
  }

  private func bytes(_ option: String) -> Int {
    Int(option.dropLast())! << (option.hasSuffix("M") ? 20 : 10)
  }

  @Test(arguments: SharedFiles.models) func theLeastBudgetIsEnough(_ path: String) throws {
    let folder = try TemporaryFolder()
    for file in [try imported(path, folder), path] {
      let options = ["--threads", "2"]
      let least = try leastBudget(file, options)
      // What the program itself has resident when it starts differs by some pages from run to run.
      let budget = "\(bytes(least) / 1024 + 64)K"
      for _ in 0..<3 {
        let result = try bench(file, options + ["--memory-budget", budget])
        try #require(result.status == 0, "\(file) with \(budget): \(result.error)")
        let figures = try Figures(result)
        #expect(figures.peak <= figures.budget, "\(file): peak \(figures.peak), budget \(budget)")
        #expect(figures.reserved <= figures.budget)
      }
      let refused = try bench(file, options + ["--memory-budget", "\(bytes(least) / 1024 * 95 / 100)K"])
      #expect(refused.status == 1 && refused.output.isEmpty)
      #expect(
        refused.error.contains("out of memory budget: ") && refused.error.contains("give --memory-budget "),
        "\(refused.error)")
      #expect(refused.seconds < 2)
    }
  }
}
