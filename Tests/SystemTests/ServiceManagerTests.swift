import Testing

@testable import System

/// What a service manager passes in the environment.
@Suite struct ServiceManagerTests {
  private func environment(_ variables: [String: String]) throws -> ServiceEnvironment {
    try ServiceEnvironment(process: 7) { variables[$0] }
  }

  @Test func readsWhatIsMeantForThisProcess() throws {
    let nothing = try environment([:])
    #expect(nothing.notifyPath == nil && nothing.watchdogMicros == nil && nothing.listeningDescriptor == nil)
    let all = try environment([
      "NOTIFY_SOCKET": "@a", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "7", "LISTEN_PID": "7", "LISTEN_FDS": "1",
    ])
    #expect(all.notifyPath == "@a" && all.watchdogMicros == 5 && all.listeningDescriptor == 3)
    let other = try environment(["WATCHDOG_USEC": "5", "WATCHDOG_PID": "8", "LISTEN_PID": "8", "LISTEN_FDS": "1"])
    #expect(other.watchdogMicros == nil && other.listeningDescriptor == nil)
  }

  @Test(arguments: ["", "x", "-1", "0", "99999999999999999999"])
  func takesNoNonsense(_ text: String) throws {
    let read = try environment(["NOTIFY_SOCKET": "", "WATCHDOG_USEC": text, "LISTEN_PID": "7", "LISTEN_FDS": text])
    #expect(read.notifyPath == nil && read.watchdogMicros == nil && read.listeningDescriptor == nil)
  }

  @Test func findsItsSocketByName() throws {
    func descriptor(_ count: String, _ names: String?) throws -> Int32? {
      var variables = ["LISTEN_PID": "7", "LISTEN_FDS": count]
      variables["LISTEN_FDNAMES"] = names
      return try environment(variables).listeningDescriptor
    }
    #expect(try descriptor("1", "other") == 3)
    #expect(try descriptor("2", "thimble:other") == 3)
    #expect(try descriptor("3", "other::thimble") == 5)
    #expect(throws: SystemError.self) { try descriptor("2", nil) }
    #expect(throws: SystemError.self) { try descriptor("2", "a:b") }
    #expect(throws: SystemError.self) { try descriptor("2", "a:b:thimble") }
  }

  @Test func refusesPathsThatNoSocketCanHave() throws {
    for path in ["@", String(repeating: "x", count: 200), "/no/such/socket"] {
      let manager = try ServiceManager(notifying: path)
      let error = #expect(throws: SystemError.self) { try manager.tell("READY=1") }
      #expect(error?.message.contains("notify") == true)
    }
  }
}
