import Memory
import Protocols
import System

/// One client: its socket, its buffers, and how far its current exchange has come. It frames messages and knows nothing of
/// models; the server decides what happens between a request and its answer.
final class Connection {
  enum Phase {
    /// Waits for a request, or has part of its head.
    case head
    /// Gathers the body, or throws it away where the request is refused already.
    case body
    /// A job has the request.
    case waiting
    case sending
    /// Refused in the middle of a request: what the client still sends is thrown away, so that it reads the answer.
    case lingering
  }

  /// What came of looking at the bytes received.
  enum Progress {
    case needMore
    case complete
    case failed(ServingError)
  }

  let token: UInt64
  let slot: Int
  let socket: Socket
  /// Found when it is wanted: it may take a while over TCP.
  private lazy var peerUser = socket.peerUser
  private lazy var unixPeerUser = socket.unixPeerUser
  /// Whose regions of shared memory it may use.
  var client: SharedRegions.Client { .init(user: head?.clientUser ?? peerUser, connection: token) }
  /// The user of a Unix socket's peer, or for whom that asks, for its share of the worker.
  var socketUser: UInt32? { head?.clientUser ?? unixPeerUser }
  private lazy var unixPeerGroups = socket.unixPeerGroups
  /// Who asks, for the policy of clients. Of whom a gateway asks for only the user is known.
  var policyPeer: ClientPolicy.Peer {
    .init(user: socketUser, groups: head?.clientUser == nil ? unixPeerGroups : [])
  }
  /// What its requests have had of the worker.
  var use = ConnectionUse()
  /// Set once it is closed.
  let hangup = Futex()
  /// A file that came with the bytes of the exchange under way; closed with it where nobody claims it.
  private(set) var passed: File?
  var interest: EventPoll.Interest = .readable
  private(set) var phase = Phase.head
  var received: ReceiveBuffer
  /// What `received` stands in.
  let memory: Buffer
  private var parser = HTTPRequestParser(limits: HTTPLimits(headBytesMax: ServingLimits.headBytesMax))
  var decoder: HTTPBodyDecoder?
  private(set) var head: HTTPRequestHead?
  private(set) var route = Route.notFound
  var body: RequestBody?
  /// An answer in parts that is under way.
  var stream: EventStream?
  /// The answer to a request that is refused before its body has come.
  private(set) var refusal: ServingError?
  private(set) var job: QueuedJob?
  /// Where to go on once models have given up memory, and in which phase; and how often this exchange has waited for it.
  private var roomWait: (stage: Server.RoomStage, phase: Phase)?
  private var roomRequestCount = 0
  private var answer: Answer?
  private var outgoing: OutgoingAnswer?
  private var closesAfterAnswer = false
  private var lingersAfterAnswer = false
  /// When to give up, or, while it is idle, to rest; no time is set where it rests or a job has the request.
  private(set) var deadlineNanoseconds = Int64.max
  private(set) var lastActiveNanoseconds = Clock.nowNanoseconds
  /// How long bodies and answers may take.
  private let transferMilliseconds: Int
  /// Of the body or the answer that is under way.
  private var transfer: TransferDeadline

  init(
    token: UInt64, slot: Int, socket: consuming Socket, memory: Buffer, transferMilliseconds: Int
  ) {
    self.transferMilliseconds = transferMilliseconds
    transfer = TransferDeadline(patienceMilliseconds: transferMilliseconds)
    self.token = token
    self.slot = slot
    self.socket = socket
    self.memory = memory
    received = ReceiveBuffer(memory.bytes)
  }

  /// Whether nothing of a request has come.
  var isIdle: Bool { phase == .head && received.isEmpty }

  // MARK: Receiving

  /// Bytes received, 0 at the peer's end; and whether that is all there is for now.
  struct Received {
    let count: Int
    let isAll: Bool
  }

  /// Receives once, into the body where that is possible. Nil where nothing is there.
  func receive() throws(SystemError) -> Received? {
    let now = Clock.nowNanoseconds
    lastActiveNanoseconds = now
    if phase == .body, stream == nil, received.isEmpty, let direct = decoder?.directBytes, direct > 0,
      let space = body?.space(direct), !space.isEmpty
    {
      guard let count = try socket.receive(into: space) else { return nil }
      body?.fill(count)
      decoder?.advance(directBytes: count)
      deadlineNanoseconds = transfer.next(after: count, now: now)
      return Received(count: count, isAll: count < space.count)
    }
    let space = received.space()
    guard let count = try socket.receive(into: space, passed: &passed) else { return nil }
    if phase == .head, received.isEmpty { deadlineNanoseconds = now + ServingLimits.headNanoseconds }
    if phase == .body { deadlineNanoseconds = transfer.next(after: count, now: now) }
    received.fill(count)
    return Received(count: count, isAll: count < space.count)
  }

  /// Looks for a whole head; then `head` and `route` are those of the request.
  func parseHead() -> Progress {
    guard !received.isEmpty else { return .needMore }
    do throws(ProtocolError) {
      guard case .head(let head, let consumed) = try parser.parse(received.unread) else { return .needMore }
      received.consume(consumed)
      guard head.clientUser == nil || mayAskForOthers else { return .failed(.clientUserRefused) }
      self.head = head
      route = Route(method: head.method, path: head.path)
      return .complete
    } catch {
      return .failed(.malformed(error))
    }
  }

  /// Whether the peer may say for whom it asks: it could do as it likes with this process anyway.
  private var mayAskForOthers: Bool { unixPeerUser == 0 || unixPeerUser == Process.effectiveUser }

  /// Prepares for the request's body. Returns whether there is none. Errors: it is declared too large.
  func beginBody(bytesMax: Int) throws(ServingError) -> Bool {
    let limits = HTTPLimits(headBytesMax: ServingLimits.headBytesMax, bodyBytesMax: bytesMax)
    let decoder: HTTPBodyDecoder
    do { decoder = try HTTPBodyDecoder(head?.body ?? .empty, limits: limits) } catch { throw .malformed(error) }
    phase = .body
    self.decoder = decoder
    beginTransfer()
    return decoder.isComplete
  }

  /// Where the body goes; without it the body is thrown away.
  func keepBody(_ body: RequestBody) { self.body = body }

  /// The body is thrown away and the request then refused.
  func refuseAfterBody(_ error: ServingError) { refusal = error }

  /// Takes what has been received of the body.
  func takeBody(itemBytesMax: Int) -> Progress {
    if let form = stream?.itemForm { return takeItem(form, bytesMax: itemBytesMax) }
    do throws(ProtocolError) {
      while var decoder {
        let event = try decoder.next(received.unread)
        if case .payload(let range, _) = event, body != nil {
          let payload = UnsafeRawBufferPointer(rebasing: received.unread[range])
          // A refusal leaves everything as it was, so that it can be tried again.
          do throws(MemoryError) { try body?.append(payload) } catch { return .failed(.memory(error)) }
        }
        self.decoder = decoder
        switch event {
        case .end(let consumed):
          received.consume(consumed)
          return .complete
        case .needMore(let consumed):
          received.consume(consumed)
          return .needMore
        case .payload(_, let consumed): received.consume(consumed)
        }
      }
      return .complete
    } catch {
      return .failed(.malformed(error))
    }
  }

  func takeBodyMemory() -> RequestBody? {
    defer { body = nil }
    return body
  }

  /// Throws away what has been received.
  func discardReceived() { received.consume(received.unread.count) }

  // MARK: Answering

  func wait(for job: QueuedJob) {
    phase = .waiting
    self.job = job
    deadlineNanoseconds = Int64.max
  }

  /// Whether the exchange may wait for room once more.
  var mayAskForRoom: Bool { roomRequestCount < ServingLimits.roomRequestsMax }

  func wait(forRoom job: RoomJob, _ stage: Server.RoomStage) {
    roomWait = (stage, phase)
    roomRequestCount += 1
    wait(for: job)
  }

  /// There may be room now: back to where it was.
  func endRoomWait() -> Server.RoomStage? {
    guard let (stage, phase) = roomWait else { return nil }
    self.phase = phase
    (roomWait, job) = (nil, nil)
    beginTransfer()
    return stage
  }

  /// `lingers`: the request has not been received to its end, so that nothing after it can be understood.
  func send(_ answer: Answer, keepsAlive: Bool, lingers: Bool = false) {
    let keepsAlive = keepsAlive && !lingers && head?.keepsAlive == true
    phase = .sending
    job = nil
    body = nil
    self.answer = answer
    outgoing = OutgoingAnswer(answer, keepsAlive: keepsAlive, leavesBodyOut: head?.method == .head)
    closesAfterAnswer = !keepsAlive
    lingersAfterAnswer = lingers
    beginTransfer()
  }

  /// Whether nothing of the request is still to come.
  var hasWholeBody: Bool { decoder?.isComplete ?? true }

  /// A part of an answer.
  func startSending(_ answer: Answer?, _ outgoing: OutgoingAnswer, closes: Bool, lingers: Bool) {
    phase = .sending
    (job, body) = (nil, nil)
    self.answer = answer
    self.outgoing = outgoing
    closesAfterAnswer = closes
    lingersAfterAnswer = lingers
    beginTransfer()
  }

  /// A part of an answer is sent.
  func finishEvent(_ buffers: BufferPool) {
    if let tensors = answer?.tensors { buffers.give(tensors) }
    (answer, outgoing) = (nil, nil)
    lastActiveNanoseconds = Clock.nowNanoseconds
  }

  /// The next item of the body.
  func awaitItem() {
    phase = .body
    beginTransfer()
  }

  private func beginTransfer() {
    transfer = TransferDeadline(patienceMilliseconds: transferMilliseconds)
    deadlineNanoseconds = transfer.next(after: 0)
  }

  /// Sends on. Returns whether all of the answer is sent.
  func flush() throws(SystemError) -> Bool {
    while outgoing?.isComplete == false {
      guard let count = try outgoing?.send(to: socket), count > 0 else { return false }
      deadlineNanoseconds = transfer.next(after: count)
    }
    return true
  }

  /// After the answer: gets ready for the next request. Returns false where the connection is to be closed.
  func finishExchange(_ buffers: BufferPool) -> Bool {
    if let tensors = answer?.tensors { buffers.give(tensors) }
    (answer, outgoing, head, decoder, refusal) = (nil, nil, nil, nil, nil)
    roomRequestCount = 0
    // What came with the next request's bytes stays.
    if received.isEmpty { passed = nil }
    lastActiveNanoseconds = Clock.nowNanoseconds
    if lingersAfterAnswer {
      phase = .lingering
      deadlineNanoseconds = lastActiveNanoseconds + ServingLimits.lingerNanoseconds
      return true
    }
    phase = .head
    let patience = received.isEmpty ? ServingLimits.restNanoseconds : ServingLimits.headNanoseconds
    deadlineNanoseconds = lastActiveNanoseconds + patience
    return !closesAfterAnswer
  }

  /// Gives the pages back in which requests came, where it has been idle for a while. Returns false where it is not idle: then its
  /// time is over.
  func rest() -> Bool {
    guard isIdle else { return false }
    memory.releasePages()
    deadlineNanoseconds = Int64.max
    return true
  }
}
