import CSystem

/// A system call that failed: what was tried, on what, and the kernel's reason.
public struct SystemError: Error, Equatable, Sendable {
  /// What was tried: "open", "map", …
  public let operation: StaticString
  /// The path or other object; empty where there is none.
  public let subject: String
  /// The positive errno value.
  public let code: Int32

  public init(_ operation: StaticString, _ subject: String = "", code: Int32) {
    self.operation = operation
    self.subject = subject
    self.code = code
  }

  public var message: String {
    let reason = String(cString: thimble_error_text(code))
    return subject.isEmpty ? "\(operation): \(reason)" : "cannot \(operation) \(subject): \(reason)"
  }

  public var isNotFound: Bool { code == SystemError.notFound }

  /// Whether the machine has too little of something now.
  public var isShortage: Bool {
    code == SystemError.outOfMemory || code == SystemError.tooManyFiles || code == SystemError.tooManyFilesOfAll
  }

  public static func == (a: SystemError, b: SystemError) -> Bool { a.code == b.code && a.subject == b.subject }

  // Values of the Linux ABI that decisions depend on; the same on every architecture Thimble runs on.
  public static let notPermitted: Int32 = 1
  public static let notFound: Int32 = 2
  public static let interrupted: Int32 = 4
  public static let inputOutput: Int32 = 5
  public static let wouldBlock: Int32 = 11
  public static let outOfMemory: Int32 = 12
  public static let accessDenied: Int32 = 13
  public static let exists: Int32 = 17
  /// Open in the whole system.
  /// Also: a link leads out of the folder that was given.
  public static let crossesDevices: Int32 = 18
  public static let notImplemented: Int32 = 38
  public static let tooManyFilesOfAll: Int32 = 23
  public static let tooManyFiles: Int32 = 24
  public static let tooManyLinks: Int32 = 40
  public static let notSupported: Int32 = 95
  public static let addressInUse: Int32 = 98
  public static let timedOut: Int32 = 110
  public static let connectionRefused: Int32 = 111
}

/// Runs a call until it is not interrupted, and turns −errno into a `SystemError`: the one place where EINTR is retried.
public func retrying<Result: SignedInteger>(
  _ operation: StaticString, _ subject: String = "", _ call: () -> Result
) throws(SystemError) -> Result {
  while true {
    let result = call()
    if result >= 0 { return result }
    let code = Int32(-Int64(result))
    if code != SystemError.interrupted { throw SystemError(operation, subject, code: code) }
  }
}
