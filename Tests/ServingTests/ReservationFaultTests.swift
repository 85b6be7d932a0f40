#if DEBUG
  import Memory
  import ModelFile
  import Protocols
  import Synchronization
  import System
  import Tables
  import Testing

  @testable import Serving

  /// The budget refuses the nth reservation, for every n: requests are answered right or refused with the reason, and once nothing is
  /// refused any more everything works and as much is held as before.
  @Suite struct ReservationFaultTests {
    /// Counts reservations, and says which of them are refused.
    private final class Refusals: Sendable {
      private let count = Atomic(0)
      private let first = Atomic(Int.max)
      private let last = Atomic(Int.max)

      func begin(first: Int, last: Int) {
        count.store(0, ordering: .sequentiallyConsistent)
        self.first.store(first, ordering: .sequentiallyConsistent)
        self.last.store(last, ordering: .sequentiallyConsistent)
      }

      /// Returns how many there have been.
      func end() -> Int {
        first.store(Int.max, ordering: .sequentiallyConsistent)
        return count.load(ordering: .sequentiallyConsistent)
      }

      func isNext() -> Bool {
        let number = count.add(1, ordering: .sequentiallyConsistent).newValue
        return number >= first.load(ordering: .sequentiallyConsistent)
          && number <= last.load(ordering: .sequentiallyConsistent)
      }
    }

    private struct Question {
      let path: String
      let body: String
      /// What the answer has where it is not refused.
      let expected: String

      func isAnswered(by text: String?) -> Bool { expected.isEmpty || text?.contains(expected) == true }
    }

    private func server() throws -> TestServer {
      let files = try TestRepository()
      try files.addModel()
      try files.addModel("cached", configuration: #"{"response_cache": {"enable": true}}"#)
      try FileSystem.createDirectory(files.models + "/table")
      try FileSystem.createDirectory(files.models + "/table/1")
      let text = "k,v\n" + (0..<3000).map { "key \($0),value \($0)" }.joined(separator: "\n")
      _ = try Array(text.utf8).withUnsafeBytes {
        try TableImport.write(csv: $0, key: nil, to: files.models + "/table/1/model.thimble")
      }
      return try TestServer(files) { $0.responseCacheByteCount = 1 << 20 }
    }

    private func questions() throws -> [Question] {
      let picture = try TestRepository.picture(0)
      let long = #"{"pad":""# + String(repeating: "x", count: 40_000) + #"","#
      let key = #"{"inputs":[{"name":"key","datatype":"BYTES","shape":[1],"data":["key 2999"]}]}"#
      var list: [Question] = []
      for name in ["digits", "cached", "cached"] {
        let infer = TestClient.json(picture)
        list.append(Question(path: "/v2/models/\(name)/infer", body: infer, expected: "242"))
        list.append(
          Question(path: "/v2/models/\(name)/infer", body: long + infer.dropFirst(), expected: "242"))
        list.append(Question(path: "/v2/repository/models/\(name)/unload", body: "{}", expected: ""))
        list.append(Question(path: "/v2/repository/models/\(name)/load", body: "{}", expected: ""))
      }
      list.append(Question(path: "/v2/models/table/infer", body: key, expected: "value 2999"))
      list.append(Question(path: "/v2/repository/models/table/unload", body: "{}", expected: ""))
      list.append(Question(path: "/v2/repository/models/table/load", body: "{}", expected: ""))
      list.append(Question(path: "/v2/thimble/plan", body: #"{"model":"digits"}"#, expected: "least"))
      list.append(Question(path: "/v2/repository/index", body: "{}", expected: "digits"))
      return list
    }

    @Test(arguments: [false, true]) func theNthIsRefused(_ goesOn: Bool) throws {
      let server = try server()
      let refusals = Refusals()
      server.budget.refuses = { refusals.isNext() }
      defer { server.budget.refuses = nil }
      let questions = try questions()
      let client = try TestClient(server.repository.socket)
      func settle() throws {
        for question in questions {
          let reply = try client.post(question.path, question.body)
          #expect(
            reply?.status == 200 && question.isAnswered(by: reply?.text),
            "\(question.path): \(reply?.status ?? 0) \(reply?.text ?? "")")
        }
      }
      try settle()
      try settle()
      let held = server.budget.reservedByteCount
      var (tries, refused) = (0, 0)
      for (place, question) in questions.enumerated() {
        var number = 1
        while true {
          refusals.begin(first: number, last: goesOn ? Int.max : number)
          let reply = try client.post(question.path, question.body)
          let count = refusals.end()
          tries += 1
          switch reply?.status {
          case 200: #expect(question.isAnswered(by: reply?.text), "\(place): \(reply?.text ?? "")")
          case 503, 507, 404:
            refused += 1
            #expect(reply?.text.contains("error") == true)
          default: Issue.record("\(question.path), \(number): \(reply?.status ?? 0) \(reply?.text ?? "no answer")")
          }
          if reply == nil { return }
          // What was unloaded or not loaded comes back.
          for name in ["digits", "cached", "table"] {
            #expect(try client.post("/v2/repository/models/\(name)/load", "{}")?.status == 200)
          }
          if count < number || number > 200 { break }
          number += 1
        }
      }
      try settle()
      try settle()
      #expect(
        server.wait { server.budget.reservedByteCount == held }, "\(server.budget.reservedByteCount), not \(held)")
      // A single one is tried again, as others may have given something up.
      #expect(tries > 30 && (!goesOn || refused > 10), "\(tries) tries, \(refused) refused")
    }

    /// A server that does not get its own memory does not start, and leaves nothing.
    @Test func theNthIsRefusedAtStart() throws {
      let files = try TestRepository()
      try files.addModel()
      var (number, started) = (1, 0)
      while started < 3, number < 100 {
        let refusals = Refusals()
        refusals.begin(first: number, last: number)
        do {
          let budget = MemoryBudget(limitByteCount: 64 << 20)
          budget.refuses = { refusals.isNext() }
          let server = try TestServer(files, budget: budget)
          let client = try TestClient(server.repository.socket)
          #expect(try client.get("/v2/health/live")?.status == 200)
          if refusals.end() < number { started += 1 }
        } catch {
          #expect("\(error)".contains("doesNotFit"))
        }
        number += 1
      }
      #expect(started == 3)
    }
  }
#endif
