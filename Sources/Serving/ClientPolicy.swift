import Memory
import Protocols
import System

/// Who may ask what, and how much of the server each may take: the file that `--clients` names.
struct ClientPolicy: Sendable {
  /// A user or a group of this machine.
  enum Principal: Equatable, Sendable {
    case user(UInt32)
    case group(UInt32)
  }

  /// What requests of a user may take.
  struct Terms: Equatable, Sendable {
    /// The best priority: what asks for a better one gets this.
    var highestLevel = 1
    /// Requests that may wait.
    var requestsMax = Int.max
    /// Bytes of requests and of regions of shared memory.
    var byteCountMax = Int.max
    /// Of all that the server's threads can do; 0: what it gets.
    var cpuSharePercent = 0

    static let unlimited = Terms()
  }

  /// Who asks, as the kernel has it.
  struct Peer {
    /// Nil: somebody on another machine.
    let user: UInt32?
    let groups: [UInt32]

    func isOne(of principals: [Principal]) -> Bool {
      principals.contains { principal in
        switch principal {
        case .user(let number): user == number
        case .group(let number): groups.contains(number)
        }
      }
    }
  }

  /// Categories that only some may ask.
  private var allowed: [(category: RouteCategory, principals: [Principal])] = []
  /// The first that fits counts; nil: everybody.
  private var terms: [(principal: Principal?, terms: Terms)] = []

  /// Whether anybody but root and the server's own user may ask for a category.
  func mayUse(_ category: RouteCategory, _ peer: Peer) -> Bool {
    guard let entry = allowed.first(where: { $0.category == category }) else { return true }
    return peer.user == 0 || peer.user == Process.effectiveUser || peer.isOne(of: entry.principals)
  }

  func terms(of peer: Peer) -> Terms {
    terms.first { entry in entry.principal.map { peer.isOne(of: [$0]) } ?? true }?.terms ?? .unlimited
  }

  static let byteCountMax = 1 << 16
  static let entriesMax = 256

  init(path: String) throws(ServingError) {
    let bytes: [UInt8]
    do { bytes = try File.bytes(of: path, limit: ClientPolicy.byteCountMax) } catch {
      throw .configuration(path: path, reason: error.message)
    }
    do throws(ProtocolError) {
      self = try bytes.withUnsafeBufferPointer { (bytes) throws(ProtocolError) in
        try ClientPolicy(parsing: UnsafeRawBufferPointer(bytes))
      }
    } catch {
      throw .configuration(path: path, reason: error.message)
    }
  }

  /// Errors: malformed JSON, a member of another form or name, users and groups that this machine does not have.
  init(parsing text: UnsafeRawBufferPointer) throws(ProtocolError) {
    var reader = JSONReader(text)
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "allowed": try readAllowed(&reader)
      case "clients":
        try reader.beginArray()
        while try reader.nextElement() { try readClient(&reader) }
      default: throw .fieldInvalid(field: key, expected: "allowed or clients")
      }
    }
    try reader.finish()
  }

  /// `{"model-repository": ["camera", "@operators"], …}`
  private mutating func readAllowed(_ reader: inout JSONReader) throws(ProtocolError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      guard let category = RouteCategory(rawValue: key), !allowed.contains(where: { $0.category == category }) else {
        let names = RouteCategory.allCases.map { $0.rawValue }.joined(separator: ", ")
        throw .fieldInvalid(field: key, expected: "one of \(names), once")
      }
      var principals: [Principal] = []
      try reader.beginArray()
      while try reader.nextElement() {
        let name = try reader.readString()
        guard principals.count < ClientPolicy.entriesMax, let principal = ClientPolicy.principal(name) else {
          throw .fieldInvalid(field: key, expected: "users and, behind an @, groups of this machine; \(name) is none")
        }
        principals.append(principal)
      }
      allowed.append((category, principals))
    }
  }

  private static func principal(_ name: String) -> Principal? {
    guard name.utf8.first == UInt8(ascii: "@") else { return Isolation.User.number(named: name).map { .user($0) } }
    return Isolation.User.groupNumber(named: String(decoding: name.utf8.dropFirst(), as: UTF8.self)).map { .group($0) }
  }

  /// `{"user": "camera", "highest_priority": 2, …}`; without `user` what holds for everybody.
  private mutating func readClient(_ reader: inout JSONReader) throws(ProtocolError) {
    var principal: Principal?
    var one = Terms()
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "user":
        let name = try reader.readString()
        guard let found = ClientPolicy.principal(name) else {
          throw .fieldInvalid(field: key, expected: "a user or, behind an @, a group of this machine; \(name) is none")
        }
        principal = found
      case "highest_priority":
        one.highestLevel = try reader.readNumber(of: key, in: 1...ServingLimits.priorityLevelsMax)
      case "max_queue_size": one.requestsMax = try reader.readNumber(of: key, in: 1...1024)
      case "cpu_share": one.cpuSharePercent = try reader.readNumber(of: key, in: 1...100)
      case "max_memory":
        guard try reader.peekKind() == .string, let byteCount = ByteCount.parse(try reader.readString()) else {
          throw .fieldInvalid(field: key, expected: "a size such as \"8M\"")
        }
        one.byteCountMax = byteCount
      default:
        throw .fieldInvalid(field: key, expected: "user, highest_priority, max_queue_size, max_memory or cpu_share")
      }
    }
    guard terms.count < ClientPolicy.entriesMax else {
      throw .fieldInvalid(field: "clients", expected: "at most \(ClientPolicy.entriesMax)")
    }
    terms.append((principal, one))
  }
}

/// When users may compute again whose share of the cores is limited.
struct CPUShares {
  private struct Debt {
    let user: UInt32?
    /// Until when what it has had takes at its share.
    var paidNanoseconds: Int64
  }

  private var debts: [Debt] = []

  /// So much may be had at once, by whom has had nothing for a while.
  static let burstNanoseconds: Int64 = 200_000_000

  /// A user has had so much of the cores, of which there are `threadCount`.
  mutating func add(_ user: UInt32?, coreNanoseconds: Int64, percent: Int, threadCount: Int, now: Int64) {
    let capacity = Int64(max(1, percent) * max(1, threadCount))
    // Bounded, so that nothing overflows: some 18 minutes.
    let nanoseconds = min(1 << 40, max(0, coreNanoseconds)) * 100 / capacity
    debts.removeAll { $0.user != user && $0.paidNanoseconds <= now }
    if let index = debts.firstIndex(where: { $0.user == user }) {
      debts[index].paidNanoseconds = max(debts[index].paidNanoseconds, now) + nanoseconds
    } else {
      debts.append(Debt(user: user, paidNanoseconds: now + nanoseconds))
    }
  }

  /// 0: at once.
  func dueNanoseconds(_ user: UInt32?) -> Int64 {
    debts.first { $0.user == user }.map { max(0, $0.paidNanoseconds - CPUShares.burstNanoseconds) } ?? 0
  }
}
