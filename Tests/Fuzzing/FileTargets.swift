import Power
import Protocols
import Signatures

@testable import Devices
@testable import Serving

/// What lies on the device as JSON: configurations of models, power profiles, targets, traces.
enum FileTargets {
  static func configuration(_ bytes: UnsafeRawBufferPointer) {
    _ = try? ClientPolicy(parsing: bytes)
    do throws(ProtocolError) {
      let configuration = try ModelConfiguration(parsing: bytes)
      precondition(configuration.periodNanoseconds >= 0 && configuration.labels.count <= ServingLimits.labelsMax)
    } catch {
      precondition(!error.message.isEmpty)
    }
  }

  /// Minisign's files: a signature, or keys.
  static func signature(_ bytes: UnsafeRawBufferPointer) {
    do throws(SignatureError) {
      if bytes.first == UInt8(ascii: "k") {
        var keys = TrustedKeys()
        try keys.add(parsing: Array(bytes.dropFirst()))
        precondition(!keys.keys.isEmpty && keys.keys.count <= TrustedKeys.countMax)
      } else {
        let signature = try Signature(parsing: Array(bytes))
        precondition(signature.key.text.utf8.count == 16)
      }
    } catch {
      precondition(!error.message.isEmpty)
    }
  }

  static func profile(_ bytes: UnsafeRawBufferPointer) {
    do throws(TargetError) {
      let profile = try PowerProfile(parsing: bytes, name: "balanced", path: "balanced.json")
      precondition(profile.name == "balanced")
    } catch {
      precondition(!error.message.isEmpty)
    }
  }

  static func target(_ bytes: UnsafeRawBufferPointer) {
    do throws(TargetError) {
      let target = try Target(parsing: bytes, name: "raspberry-pi-5", path: "raspberry-pi-5.json")
      for physicalByteCount in [1, 1 << 30, Int.max] {
        if let byteCount = try? target.defaultBudgetByteCount(physicalByteCount: physicalByteCount) {
          precondition(byteCount >= 0 && byteCount <= physicalByteCount)
        }
      }
      Fuzzer.keep(target.power.activeMilliwatts(of: [0, 1, 2, 3]))
    } catch {
      precondition(!error.message.isEmpty)
    }
  }

  /// One line of a trace.
  static func readings(_ bytes: UnsafeRawBufferPointer) {
    guard let json = try? JSON(parsing: bytes), json.object != nil else { return }
    do throws(TargetError) {
      let readings = try PowerReadings(json, path: "trace")
      precondition(!readings.clusters.isEmpty)
    } catch {
      precondition(!error.message.isEmpty)
    }
  }
}
