import Foundation
import Power
import TestSupport
import Testing

@testable import Devices

/// Profiles' files: those that are shipped, and what is said of others.
@Suite struct PowerProfileTests {
  static let shipped = PowerProfileDirectory(SharedFiles.package.appendingPathComponent("power-profiles").path)

  private func parse(_ text: String) -> Result<PowerProfile, TargetError> {
    Array(text.utf8).withUnsafeBytes { bytes in
      do throws(TargetError) {
        return .success(try PowerProfile(parsing: bytes, name: "p", path: "p.json"))
      } catch {
        return .failure(error)
      }
    }
  }

  private func message(_ text: String) -> String {
    switch parse(text) {
    case .success: "no error"
    case .failure(let error): error.message
    }
  }

  @Test func theStandardOnesAreTheirFiles() throws {
    for standard in PowerProfile.standard {
      #expect(try Self.shipped.profile(named: standard.name) == standard, "\(standard.name)")
    }
    #expect(Self.shipped.names == ["balanced", "battery-camera", "fanless-box", "performance", "power-saver"])
    for name in Self.shipped.names { _ = try Self.shipped.profile(named: name) }
  }

  @Test func theyNeedNoFolder() throws {
    let nowhere = PowerProfileDirectory("/nonexistent/thimble")
    #expect(try nowhere.profiles(for: "balanced").wanted == .balanced)
    #expect(nowhere.names == ["performance", "balanced", "power-saver"])
    #expect(throws: TargetError.self) { try nowhere.profile(named: "quiet") }
    #expect(throws: TargetError.self) { try nowhere.profile(named: "../balanced") }
  }

  @Test func whatIsLeftOutIsAsBefore() throws {
    let profile = try parse(
      #"{"states":{"nominal":{"mains":{"threads":3}},"serious":{"mains":{"threads":"50%","cores":"little","spin":false}}}}"#
    ).get()
    for source in PowerSource.allCases {
      #expect(profile[.nominal, source] == .init(threads: .count(3)))
      #expect(profile[.fair, source] == profile[.nominal, source])
      #expect(profile[.critical, source] == .init(threads: .percent(50), cores: .little, spins: false))
    }
  }

  @Test func errorsNameTheKey() {
    let cases: [(String, String)] = [
      ("{", "p.json"),
      ("[]", "the file must be an object"),
      ("{}", "states must be given"),
      (#"{"states":{}}"#, "states.nominal must be given"),
      (#"{"states":{"nominal":{}}}"#, "states.nominal.mains must be given"),
      (#"{"states":{"nominal":{"mains":{}}}}"#, "states.nominal.mains.threads must be a number of threads"),
      (#"{"states":{"nominal":{"mains":{"threads":0}}}}"#, "states.nominal.mains.threads must be"),
      (#"{"states":{"nominal":{"mains":{"threads":"101%"}}}}"#, "states.nominal.mains.threads must be"),
      (#"{"states":{"nominal":{"mains":{"threads":"%"}}}}"#, "states.nominal.mains.threads must be"),
      (
        #"{"states":{"nominal":{"mains":{"threads":1,"duty_percent":0}}}}"#,
        "nominal.mains.duty_percent must be a whole"
      ),
      (#"{"states":{"nominal":{"mains":{"threads":1,"spin":1}}}}"#, "states.nominal.mains.spin must be true or false"),
      (
        #"{"states":{"nominal":{"mains":{"threads":1,"cores":"huge"}}}}"#,
        "nominal.mains.cores must be any, big or little"
      ),
      (#"{"states":{"nominal":{"mains":{"thread":1}}}}"#, "states.nominal.mains.thread must be one of threads, cores"),
      (#"{"states":{"warm":{}}}"#, "states.warm must be one of nominal, fair"),
      (#"{"profile":1}"#, "profile must be one of"),
      (#"{"name":"q","states":{}}"#, "name must be p, as the file is called"),
      (
        #"{"states":{"nominal":{"mains":{"threads":2}},"fair":{"mains":{"threads":3}}}}"#,
        "states.fair.mains.threads must be at most 2, as in the cooler state"
      ),
      (
        #"{"states":{"nominal":{"mains":{"threads":2,"duty_percent":50}},"critical":{"battery":{"threads":1},"mains":{"threads":1}}}}"#,
        "states.critical.mains.duty_percent must be at most 50"
      ),
    ]
    for (text, expected) in cases { #expect(message(text).contains(expected), "\(text): \(message(text))") }
  }

  /// Whatever is cut off or changed in a good file, it is read or refused.
  @Test func damagedFilesAreRefusedOrRead() throws {
    let file = try Data(contentsOf: URL(fileURLWithPath: Self.shipped.file(named: "balanced")))
    for count in 0..<file.count - 2 {
      #expect(message(String(decoding: file.prefix(count), as: UTF8.self)) != "no error")
    }
    var random = XorShift(5)
    for _ in 0..<2000 {
      var bytes = [UInt8](file)
      for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
      _ = message(String(decoding: bytes, as: UTF8.self))
    }
  }

  /// The schema has the keys that the parser knows.
  @Test func theSchemaKnowsTheSameKeys() throws {
    let text = try String(contentsOfFile: Self.shipped.file(named: "schema"), encoding: .utf8)
    for key in ["threads", "cores", "duty_percent", "batch_window_us", "spin", "follows_platform", "low_battery"] {
      #expect(text.contains("\"\(key)\""))
    }
  }
}
