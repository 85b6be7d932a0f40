import Foundation
import Protocols
import System
import Testing

@testable import Serving

/// Traces, the log's settings and statistics, as clients see them.
@Suite struct TraceTests {
  private func setting(_ client: TestClient, _ body: String, at path: String = "/v2/trace/setting") throws -> JSON {
    let reply = try client.post(path, body)
    #expect(reply?.status == 200, "\(reply?.text ?? "")")
    return try JSON(parsing: reply?.text ?? "")
  }

  private func events(_ client: TestClient) throws -> [JSON] {
    try JSON(parsing: client.get("/v2/thimble/trace")?.text ?? "")["traceEvents"]?.array ?? []
  }

  private func count(_ events: [JSON], _ category: String) -> Int {
    events.count { $0["cat"]?.string == category }
  }

  /// Each step of a generation is a run, and its events are what they are without a trace.
  @Test func generationsAreTraced() throws {
    let server = try SequenceTests.server(StreamTests.generation)
    let client = try TestClient(server.repository.socket)
    let request = TestClient.request(
      StreamTests.path, Array(SequenceTests.request([3, 0, 0, 0], #""steps":3"#).utf8))
    try client.send(request)
    let plain = try client.events().list
    _ = try setting(client, #"{"trace_level":["TIMESTAMPS"],"trace_rate":"1"}"#)
    try client.send(request)
    #expect(try client.events().list == plain && plain.count == 3)
    let traced = try events(client)
    let operators = server.server.repository.loaded("sum")[0].session?.operatorSummaries.count ?? 0
    #expect(operators > 0 && count(traced, "operator") == 3 * operators)
    #expect(traced.count { $0["name"]?.string == "compute_infer" } == 3)
  }

  @Test func tracesDownToOperators() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    let request = TestClient.json(try TestRepository.picture(0))
    let path = "/v2/models/digits/infer"
    let plain = try client.post(path, request)
    #expect(try events(client).count == 1)
    let on = try setting(client, #"{"trace_level":["TIMESTAMPS"],"trace_rate":"2","trace_count":"3"}"#)
    #expect(on["trace_rate"]?.string == "2" && on["trace_count"]?.string == "3")
    #expect(on["trace_level"]?.array?.first?.string == "TIMESTAMPS")
    for _ in 0..<4 { #expect(try client.post(path, request)?.body == plain?.body) }
    let two = try events(client)
    let operators = server.server.repository.loaded("digits")[0].session?.operatorSummaries.map { $0.name } ?? []
    #expect(!operators.isEmpty && count(two, "operator") == 2 * operators.count)
    #expect(count(two, "compute") == 6 && count(two, "request") == 4)
    let names = two.filter { $0["cat"]?.string == "operator" }.compactMap { $0["name"]?.string }
    #expect(names == operators + operators)
    // Operators lie within the run, and the run within the request.
    func span(_ name: String) throws -> ClosedRange<Double> {
      let event = try #require(two.first { $0["name"]?.string == name })
      let start = try #require(event["ts"]?.double)
      return start...(start + (try #require(event["dur"]?.double)))
    }
    let (request1, run, first) = (try span("request"), try span("compute_infer"), try span(operators[0]))
    #expect(request1.contains(run.lowerBound) && request1.contains(run.upperBound))
    #expect(run.contains(first.lowerBound) && run.contains(first.upperBound))
    // Three in all.
    for _ in 0..<10 { _ = try client.post(path, request) }
    #expect(try count(events(client), "request") == 6)
    #expect(try JSON(parsing: client.get("/v2/trace/setting")?.text ?? "")["trace_count"]?.string == "0")
    // One model's own settings, which go back to the server's with null.
    let model = "/v2/models/digits/trace/setting"
    _ = try setting(client, #"{"trace_level":["OFF"],"trace_count":-1,"trace_rate":1}"#)
    let own = try setting(client, #"{"trace_level":["TIMESTAMPS"]}"#, at: model)
    #expect(own["trace_rate"]?.string == "1" && own["trace_level"]?.array?.first?.string == "TIMESTAMPS")
    _ = try client.post(path, request)
    #expect(try count(events(client), "request") == 8)
    #expect(try setting(client, #"{"trace_level":null}"#, at: model)["trace_level"]?.array?.first?.string == "OFF")
    _ = try client.post(path, request)
    #expect(try count(events(client), "request") == 8)
    #expect(!server.server.trace.isOn)
  }

  @Test func keepsTheNewestTraces() throws {
    let book = TraceBook(folder: nil)
    let server = try TestServer(TestRepository())
    book.take(try server.server.buffers.reserve(1000))
    for index in 0..<500 { #expect(book.add(Array("{\(index)}".utf8) + [UInt8](repeating: 32, count: 36)) == nil) }
    #expect(book.byteCountMax >= 1000 && book.byteCount <= book.byteCountMax && book.traces.count < 50)
    #expect(book.byteCount > book.byteCountMax - 200)
    #expect(book.traces.last?.starts(with: "{499}".utf8) == true)
    #expect(book.add([UInt8](repeating: 32, count: book.byteCountMax)) == nil)
    #expect(book.traces.isEmpty && book.byteCount == 0)
  }

  @Test func writesTracesWhereTheAdministratorWants() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files) { $0.traceFolder = files.path }
    let client = try TestClient(files.socket)
    _ = try setting(client, #"{"trace_level":"TIMESTAMPS","trace_rate":1}"#)
    for _ in 0..<3 { _ = try client.post("/v2/models/digits/infer", TestClient.json(try TestRepository.picture(0))) }
    let name = "\(files.path)/trace-\(System.Process.identifier).json"
    let text = String(decoding: try File.bytes(of: name, limit: 1 << 20), as: UTF8.self)
    let closed = String(text.dropLast(2)) + "]"
    #expect(try JSON(parsing: closed).array?.count { $0["name"]?.string == "request" } == 3)
    withExtendedLifetime(server) {}
  }

  @Test(arguments: [
    "", "[]", #"{"trace_level":["TENSORS"]}"#, #"{"trace_level":1}"#, #"{"trace_rate":0}"#, #"{"trace_rate":"x"}"#,
    #"{"trace_count":-2}"#, #"{"trace_file":"/etc/passwd"}"#, #"{"trace_rate":99999999999999999999}"#,
  ]) func refusesSettingsThatMakeNoSense(_ body: String) throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    #expect(try client.post("/v2/trace/setting", body)?.status == 400)
    #expect(try client.post("/v2/models/nobody/trace/setting", "{}")?.status == 404)
    #expect(try client.get("/v2/models/digits/trace/setting")?.status == 200)
    #expect(!server.server.trace.isOn)
  }

  @Test func changesWhatTheLogSays() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    #expect(try client.get("/v2/logging")?.text.contains(#""log_info":true"#) == true)
    let changed = try client.post(
      "/v2/logging", #"{"log_info":false,"log_verbose_level":1,"log_format":"ISO8601","log_file":""}"#)
    #expect(changed?.status == 200)
    for text in [#""log_info":false"#, #""log_verbose_level":1"#, #""log_format":"ISO8601""#] {
      #expect(changed?.text.contains(text) == true)
    }
    for wrong in [#"{"log_info":1}"#, #"{"log_format":"x"}"#, #"{"log_file":"/tmp/x"}"#, #"{"log_verbose_level":-1}"#] {
      #expect(try client.post("/v2/logging", wrong)?.status == 400)
    }
    #expect(try client.get("/v2/logging")?.text == changed?.text)
    #expect(try client.post("/v2/models/digits/infer", TestClient.json(try TestRepository.picture(0)))?.status == 200)
    try client.send("DELETE /v2/logging HTTP/1.1\r\n\r\n")
    #expect(try client.reply()?.status == 405)
    withExtendedLifetime(server) {}
  }

  @Test func writesLines() throws {
    let lines = Lines()
    let log = Log(LogSettings(), isQuiet: false, isJournal: true) { lines.all.append($0) }
    log.line("one")
    log.settings.format = .json
    log.line("two \"quoted\"\n", .error, of: Log.Subject(model: "m", version: 3))
    log.settings.saysErrors = false
    log.line("three", .error)
    log.line("four", .verbose)
    log.settings.format = .timed
    log.settings.verboseLevel = 1
    log.line("five", .verbose)
    #expect(lines.all.count == 3 && lines.all[0] == "<6>thimble: one")
    #expect(lines.all[1].hasPrefix("<3>{") && !lines.all[1].contains("\n"))
    let object = try JSON(parsing: String(lines.all[1].dropFirst(3)))
    #expect(object["level"]?.string == "error" && object["message"]?.string == "two \"quoted\"\n")
    #expect(object["model"]?.string == "m" && object["version"]?.string == "3")
    #expect(lines.all[2].hasPrefix("<7>20") && lines.all[2].hasSuffix("Z verbose thimble: five"))
    let quiet = Log(LogSettings(), isQuiet: true, isJournal: false) { lines.all.append($0) }
    quiet.line("six")
    #expect(lines.all.count == 3)
  }

  private final class Lines {
    var all: [String] = []
  }

  @Test(arguments: [0, 951_782_400_123, 951_868_799_999, 1_709_164_800_000, 4_102_444_799_001, 1_763_867_045_678])
  func saysTheTime(_ milliseconds: Int64) {
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
    let date = Date(timeIntervalSince1970: Double(milliseconds) / 1000)
    #expect(System.Clock.text(wallMilliseconds: milliseconds) == formatter.string(from: date))
  }

  @Test func countsByVersion() throws {
    let files = try TestRepository()
    try files.addModel()
    try files.addModel(version: 2, configuration: #"{"version_policy":{"all":{}}}"#)
    let server = try TestServer(files)
    let client = try TestClient(files.socket)
    for (version, count) in [(1, 2), (2, 3)] {
      for _ in 0..<count {
        _ = try client.post(
          "/v2/models/digits/versions/\(version)/infer", TestClient.json(try TestRepository.picture(0)))
      }
    }
    for (version, count) in [(1, 2), (2, 3)] {
      let text = try client.get("/v2/models/digits/versions/\(version)/stats")?.text ?? ""
      let rows = try JSON(parsing: text)["model_stats"]?.array ?? []
      #expect(rows.count == 1 && rows[0]["version"]?.string == "\(version)")
      #expect(rows[0]["inference_count"]?.int == Int64(count))
      let batch = rows[0]["batch_stats"]?.array?.first
      #expect(batch?["batch_size"]?.int == 1)
      for part in ["compute_input", "compute_infer", "compute_output"] {
        #expect(batch?[part]?["count"]?.int == Int64(count))
        #expect(batch?[part]?["ns"]?.int == rows[0]["inference_stats"]?[part]?["ns"]?.int)
      }
      for part in ["success", "fail", "queue", "cache_hit", "cache_miss"] {
        #expect(rows[0]["inference_stats"]?[part]?["ns"]?.int != nil)
      }
      #expect(rows[0]["memory_usage"]?.array?.first?["byte_size"]?.int ?? 0 > 0)
    }
    withExtendedLifetime(server) {}
  }
}
