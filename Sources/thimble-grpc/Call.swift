import GRPC
import System

/// One call: a stream of a client's connection.
final class Call {
  let client: Client
  let streamID: Int32
  /// What the headers say.
  var path = ""
  var isPost = false
  var hasContentType = false
  var isCompressed = false
  var timeoutNanoseconds: Int64?
  var hasBadTimeout = false
  var routingKey: String?

  var method: CallMethod?
  var intake = MessageIntake()
  /// Messages that wait for the one before them to be answered.
  var messages: [MessageMemory] = []
  /// Bytes of the stream that the client may not replace yet.
  var heldWindowByteCount = 0
  /// Whether the client has said all.
  var hasEnded = false
  /// What is asked of the daemon.
  var exchange: Exchange?
  var outgoing = OutgoingBytes()
  /// Whether the answer's head is on its way.
  var hasAnswered = false
  /// Set once nothing more is to be sent but this.
  var ending: CallError?
  var deadlineNanoseconds = Int64.max
  /// Until when more of the message that has begun must come.
  var intakeDeadlineNanoseconds = Int64.max

  /// Until when the client must have taken more of what is to be sent.
  var sendDeadlineNanoseconds = Int64.max

  init(_ client: Client, _ streamID: Int32) {
    self.client = client
    self.streamID = streamID
  }

  var isOver: Bool { ending != nil }

  var dueNanoseconds: Int64 {
    isOver ? sendDeadlineNanoseconds : min(deadlineNanoseconds, intakeDeadlineNanoseconds, sendDeadlineNanoseconds)
  }
}

/// What is asked of the daemon for a call, from its beginning to the whole answer.
final class Exchange {
  let call: Call
  let request: HTTPCall
  let message: MessageMemory
  /// The head and the body.
  let bytes: OutgoingBytes
  /// Nil while it waits for a connection.
  var connection: DaemonConnection?
  /// Whether it has been tried over a connection that was closed meanwhile.
  var isRetry = false

  init(_ call: Call, _ request: HTTPCall, _ message: MessageMemory, _ bytes: OutgoingBytes) {
    self.call = call
    self.request = request
    self.message = message
    self.bytes = bytes
  }
}
