import GRPC
import System

/// What the command line says.
struct GatewayOptions {
  var socketPath = ""
  var serverPath = ""
  var socketMode: UInt32 = 0o660
  var connectionsMax = 128
  var daemonConnectionsMax = 32
  var messageByteCountMax = CallLimits.messageBytesMax
  var memoryByteCount = 160 << 20
  var drainNanoseconds: Int64 = 30_000_000_000
  /// How long a client may take from one piece of a message to the next, and to read what is sent.
  var patienceNanoseconds: Int64 = 30_000_000_000

  static let help = """
    usage: thimble-grpc --socket PATH --server PATH [options]

    takes calls of the Open Inference Protocol over gRPC at a Unix socket, and hands them to `thimble serve`. Run it as the daemon's
    user or as root, so that the daemon believes it for whom it asks. SIGTERM finishes the calls under way.

    options:
      --socket PATH             where to listen; only the owner and group may connect
      --server PATH             the socket of `thimble serve`
      --connections N           clients at once (default 128)
      --server-connections N    calls that the daemon has at once; more wait here (default 32)
      --body-limit SIZE         largest message (default 64M)
      --memory SIZE             messages in memory at once (default 160M)
      --patience SECONDS        how long a client may send nothing amidst a message, or read nothing (default 30)
      --drain SECONDS           how long SIGTERM waits for calls (default 30)
      --help                    say this
    """

  /// Errors: what is wrong with the command line.
  init(_ words: [String]) throws(GatewayUsage) {
    var words = words[...]
    while let word = words.popFirst() {
      guard word != "--help", word != "-h" else { throw .help }
      guard let value = words.popFirst() else { throw .wrong("\(word) is no option, or lacks its value") }
      switch word {
      case "--socket": socketPath = value
      case "--server": serverPath = value
      case "--connections": connectionsMax = try GatewayOptions.count(word, value, 1...4096)
      case "--server-connections": daemonConnectionsMax = try GatewayOptions.count(word, value, 1...1024)
      case "--body-limit": messageByteCountMax = try GatewayOptions.byteCount(word, value)
      case "--memory": memoryByteCount = try GatewayOptions.byteCount(word, value)
      case "--patience":
        patienceNanoseconds = Int64(try GatewayOptions.count(word, value, 1...3600)) * 1_000_000_000
      case "--drain": drainNanoseconds = Int64(try GatewayOptions.count(word, value, 0...3600)) * 1_000_000_000
      default: throw .wrong("there is no option \(word)")
      }
    }
    guard !socketPath.isEmpty, !serverPath.isEmpty else { throw .wrong("--socket and --server are needed") }
    guard messageByteCountMax <= memoryByteCount else {
      throw .wrong("--memory is less than one message of --body-limit")
    }
  }

  private static func count(_ option: String, _ text: String, _ range: ClosedRange<Int>) throws(GatewayUsage) -> Int {
    guard let value = Int(text), range.contains(value) else {
      throw .wrong("\(option) takes a whole number from \(range.lowerBound) to \(range.upperBound), not \(text)")
    }
    return value
  }

  /// At least a page, at most what a length of four bytes says.
  private static func byteCount(_ option: String, _ text: String) throws(GatewayUsage) -> Int {
    var digits = text[...]
    var shift = 0
    if let suffix = text.utf8.last, let index = [UInt8](arrayLiteral: 0x4B, 0x4D, 0x47).firstIndex(of: suffix) {
      digits = digits.dropLast()
      shift = 10 * (index + 1)
    }
    guard let value = Int(digits), value > 0, value <= (4 << 30) >> shift, value << shift >= 4096 else {
      throw .wrong("\(option) takes a size such as 65536, 512K or 64M, not \(text)")
    }
    return value << shift
  }
}

enum GatewayUsage: Error {
  case help
  case wrong(String)
}
