import Foundation
import TestSupport
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// `thimble profile` and `thimble bench`: what they say is complete and fits together; how fast anything is nobody checks.
@Suite struct MeasuringCommandTests {
  private func operators(_ json: [String: Any]) throws -> [[String: Any]] {
    try #require(json["operators"] as? [[String: Any]])
  }

  @Test(arguments: ["1", "2"]) func profileNamesEveryOperator(_ threads: String) throws {
    let result = try Program.run(
      ["profile", SharedFiles.digits, "--rounds", "3", "--threads", threads, "--json"])
    #expect(result.status == 0, "\(result.error)")
    let json = try result.json()
    let operators = try operators(json)
    let inspected = try Program.run(["inspect", SharedFiles.digits, "--json"]).json()
    let graph = try #require(inspected["operators"] as? [[String: Any]])
    // A reshape is nothing to do.
    #expect(
      operators.map { $0["name"] as? String } == graph.map { $0["name"] as? String }.filter { $0 != "RESHAPE" })
    #expect(operators.compactMap { $0["multiply_adds"] as? Int }.reduce(0, +) > 0)
    for entry in operators {
      let time = try #require(entry["ns"] as? Int)
      let least = try #require(entry["min_ns"] as? Int)
      #expect(least > 0 && least <= time && (entry["first_ns"] as? Int ?? 0) > 0)
      #expect(try #require(entry["busy_ns"] as? Int) > 0)
      let share = try #require(entry["share"] as? Double)
      #expect(share > 0 && share <= 1)
      #expect((entry["roofline_share"] as? Double ?? -1) >= 0)
    }
    #expect(abs(operators.compactMap { $0["share"] as? Double }.reduce(0, +) - 1) < 1e-6)
    let convolution = try #require(operators.first)
    #expect(convolution["window"] as? String == "3×3")
    let weights = ["in_place_weight_bytes", "resident_weight_bytes", "streamed_weight_bytes"]
    #expect(weights.compactMap { convolution[$0] as? Int }.reduce(0, +) > 0)
    let kinds = try #require(json["kinds"] as? [[String: Any]])
    #expect(kinds.compactMap { $0["count"] as? Int }.reduce(0, +) == operators.count)
    let roofline = try #require(json["roofline"] as? [String: Any])
    #expect((roofline["gmac_per_s"] as? Double ?? 0) > 0 && (roofline["gb_per_s"] as? Double ?? 0) > 0)
    #expect((json["noise"] as? [String: Any])?["noisy"] is Bool)
  }

  @Test func profileInTheTerminal() throws {
    let inOrder = try Program.run(["profile", SharedFiles.digits, "--rounds", "2", "--threads", "1"])
    #expect(inOrder.status == 0, "\(inOrder.error)")
    for text in ["roofline ", "CONV_2D 3×3 ", "SOFTMAX", "first after loading", "in place", "▇"] {
      #expect(inOrder.output.contains(text), "\(text)")
    }
    // Numbers of the rows: in run order, or not.
    func numbers(_ text: String) -> [Int] {
      text.split(separator: "\n").compactMap { line in
        let words = line.split(separator: " ")
        return words.count > 5 && line.contains("[") ? Int(words[0]) : nil
      }
    }
    #expect(numbers(inOrder.output) == Array(0..<11))
    let byTime = try Program.run(
      ["profile", SharedFiles.digits, "--rounds", "2", "--threads", "1", "--sort", "time"])
    #expect(numbers(byTime.output).sorted() == Array(0..<11))
    let wrong = try Program.run(["profile", SharedFiles.digits, "--sort", "name"])
    #expect(wrong.status == 2 && wrong.error == "thimble profile: --sort takes run or time, not name\n")
  }

  @Test func profileAsAPage() throws {
    let folder = try TemporaryFolder()
    // A name that is markup must stay a name.
    let model = try folder.write("a<b>&\"c.tflite", try SharedFiles.bytes(SharedFiles.digits))
    let page = folder.file("page.html")
    let result = try Program.run(["profile", model, "--rounds", "2", "--html", page])
    #expect(result.status == 0 && result.output.isEmpty, "\(result.error)")
    let reader = PageReader()
    let parser = XMLParser(data: Data(try SharedFiles.bytes(page)))
    parser.delegate = reader
    #expect(parser.parse(), "\(String(describing: parser.parserError)) in line \(parser.lineNumber)")
    #expect(!reader.counts.keys.contains("script") && !reader.counts.keys.contains("link"))
    #expect(reader.counts["svg"] == 2)
    // Two lanes of eleven operators, and seven that multiply or more.
    #expect((reader.counts["rect"] ?? 0) >= 22)
    #expect(reader.counts["circle"] == 8)
    #expect(reader.titles.filter { $0.contains("SOFTMAX") }.count == 2)
    #expect(reader.titles.first?.hasSuffix("/a<b>&\"c.tflite") == true)
  }

  /// Operators that run stripe by stripe are told one by one.
  @Test(.enabled(if: SharedFiles.arePresent, "no shared models")) func profileOfChains() throws {
    let folder = try TemporaryFolder()
    let model = folder.file("deeplab.thimble")
    let source = SharedFiles.root + "/models/deeplabv3_mnv2_dm05_pascal_quant.tflite"
    #expect(try Program.run(["import", source, "-o", model]).status == 0)
    let plain = try operators(try Program.run(["profile", model, "--plan", "0", "--rounds", "1", "--json"]).json())
    let striped = try operators(
      try Program.run(["profile", model, "--plan", "1", "--rounds", "1", "--threads", "2", "--json"]).json())
    #expect(striped.count == plain.count)
    let both = [plain, striped].map { $0.filter { $0["chain"] != nil } }
    #expect(both[0].count < both[1].count && both[1].count >= 2)
    #expect(striped.allSatisfy { ($0["ns"] as? Int ?? 0) > 0 && ($0["busy_ns"] as? Int ?? 0) > 0 })
  }

  @Test func benchSaysHowFarToTrustIt() throws {
    let json = try Program.run(["bench", SharedFiles.digits, "--runs", "20", "--threads", "1", "--json"]).json()
    let times = try ["min_ms", "p50_ms", "p90_ms", "p99_ms"].map { try #require(json[$0] as? Double) }
    #expect(times == times.sorted() && times[0] > 0)
    #expect((json["spread"] as? Double ?? -1) >= 0)
    let noise = try #require(json["noise"] as? [String: Any])
    let isNoisy = try #require(noise["noisy"] as? Bool)
    #expect(isNoisy != (noise["reasons"] as? [String] ?? []).isEmpty)
    #expect((noise["p50_over_min"] as? Double ?? 0) >= 1 && (noise["involuntary_switches"] as? Int ?? -1) >= 0)
    let text = try Program.run(["bench", SharedFiles.digits, "--runs", "20"]).output
    #expect(text.contains("p90 ") && text.contains("spread "))
    #expect(text.contains("the machine was quiet") || text.contains("noisy: "))
  }

  @Test func theWorkerSpeaksLines() throws {
    let result = try Program.run(
      ["bench", SharedFiles.digits, "--worker"],
      input: "run 3\n\nmem\nrun 1\nnonsense\nrun x\noutputs\nquit\nrun 9\n")
    #expect(result.status == 0, "\(result.error)")
    let lines = try result.output.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    try #require(lines.count == 7)
    #expect(lines[0]["ready"] as? Bool == true && (lines[0]["load_ms"] as? Double ?? 0) > 0)
    #expect((lines[1]["ns"] as? [Int])?.count == 3 && lines[1]["cpu_ns"] as? Int != nil)
    #expect((lines[2]["peak_rss_bytes"] as? Int ?? 0) > 0 && lines[4].isEmpty && lines[5].isEmpty)
    #expect((lines[3]["ns"] as? [Int])?.count == 1 && lines[6]["output_xxh64"] is String)
    // The end of input ends it too.
    #expect(try Program.run(["bench", SharedFiles.digits, "--worker"]).status == 0)
  }

  @Test func sweepComparesThreadsAndBudgets() throws {
    let folder = try TemporaryFolder()
    let model = folder.file("digits.thimble")
    #expect(try Program.run(["import", SharedFiles.digits, "-o", model]).status == 0)
    let chosen = try Program.run(
      ["bench", model, "--sweep", "--threads", "1,2", "--memory-budget", "64M,128M", "--runs", "7", "--rounds", "3"]
        + ["--json"])
    #expect(chosen.status == 0, "\(chosen.error)")
    let json = try chosen.json()
    #expect(json["same_outputs"] as? Bool == true && json["rounds"] as? Int == 3)
    let all = try #require(json["configurations"] as? [[String: Any]])
    #expect(all.map { $0["threads"] as? Int } == [1, 1, 2, 2])
    #expect(all.map { ($0["memory_budget_bytes"] as? Int ?? 0) >> 20 } == [64, 128, 64, 128])
    for one in all {
      let times = try ["min_ms", "p50_ms", "p90_ms", "p99_ms"].map { try #require(one[$0] as? Double) }
      #expect(times == times.sorted() && times[0] > 0)
      #expect((one["peak_rss_bytes"] as? Int ?? 0) > 0 && one["noise"] is [String: Any])
    }
    let own = try Program.run(["bench", model, "--sweep", "--runs", "3"])
    #expect(own.status == 0 && own.output.contains("the same bytes from all"), "\(own.error)")

    let cases: [([String], String)] = [
      (["--threads", "1,x"], "--threads takes whole numbers from 1 to 64, as in 1,2, not x"),
      (["--memory-budget", "64M,much"], "--memory-budget takes sizes as in 4M,64M, not much"),
      (["--worker"], "--sweep and --worker exclude each other"),
      (["--memory-budget", "1K"], "1.0 KiB is too little for 1 thread: give "),
    ]
    for (words, message) in cases {
      let result = try Program.run(["bench", model, "--sweep"] + words)
      #expect(result.status != 0 && result.error.contains(message), "\(result.error)")
    }
    let source = try Program.run(["bench", SharedFiles.digits, "--sweep"])
    #expect(source.status == 2 && source.error.contains("takes a .thimble file"))
  }
}

/// Counts a page's elements and keeps its titles.
private final class PageReader: NSObject, XMLParserDelegate {
  private(set) var counts: [String: Int] = [:]
  private(set) var titles: [String] = []
  private var isTitle = false

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    counts[name, default: 0] += 1
    isTitle = name == "title"
    if isTitle { titles.append("") }
  }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    isTitle = false
  }

  func parser(_ parser: XMLParser, foundCharacters text: String) {
    if isTitle { titles[titles.count - 1] += text }
  }
}
