import GRPC
import Protocols
import System

/// What becomes of calls.
extension Gateway {
  /// A call's head has come.
  func begin(_ call: Call) {
    guard call.isPost, call.hasContentType else {
      call.ending = .malformed
      return call.client.refuse(call, httpStatus: call.isPost ? "415" : "405")
    }
    guard let method = CallMethod(path: call.path) else {
      return finish(call, .init(.unimplemented, "there is no call \(call.path) here"))
    }
    guard !call.isCompressed else {
      return finish(call, .init(.unimplemented, "messages are taken only as they are: send them uncompressed"))
    }
    guard !call.hasBadTimeout else { return finish(call, .init(.invalidArgument, "grpc-timeout is malformed")) }
    call.method = method
    if let timeout = call.timeoutNanoseconds {
      call.deadlineNanoseconds = Clock.nowNanoseconds + timeout
      note(due: call.deadlineNanoseconds)
    }
  }

  /// Bytes of messages have come.
  func take(_ bytes: UnsafeRawBufferPointer, _ call: Call) {
    var rest = bytes
    do throws(CallError) {
      while !rest.isEmpty, !call.isOver {
        let (message, count) = try call.intake.take(rest, limitByteCount: options.messageByteCountMax, ledger: ledger)
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        guard let message else { continue }
        if call.method?.isStream != true, call.exchange != nil || !call.messages.isEmpty {
          throw .init(.invalidArgument, "the call takes one message")
        }
        call.messages.append(message)
        call.client.ready.append(call)
      }
    } catch {
      return finish(call, error)
    }
    call.intakeDeadlineNanoseconds =
      call.intake.isAmidst ? Clock.nowNanoseconds + options.patienceNanoseconds : Int64.max
    note(due: call.intakeDeadlineNanoseconds)
  }

  /// The client has said all.
  func ended(_ call: Call) {
    if call.intake.isAmidst { return finish(call, .init(.invalidArgument, "the last message is cut off")) }
    call.client.ready.append(call)
  }

  /// Looks what is to be done next for a call: the next message, the rest of a generation, or nothing more.
  func goOn(_ call: Call) {
    if let exchange = call.exchange {
      // The daemon waits for what has been sent now.
      if let daemon = exchange.connection, !daemon.interest.contains(.readable) { handle(daemon, .readable) }
      return
    }
    guard !call.isOver, call.outgoing.isEmpty else { return }
    guard !call.messages.isEmpty else {
      guard call.hasEnded else { return }
      let isLacking = call.method?.isStream != true
      return finish(call, isLacking ? .init(.invalidArgument, "the call takes one message, and none came") : .ok)
    }
    let message = call.messages.removeFirst()
    if call.messages.isEmpty {
      call.client.widen(call.streamID, call.heldWindowByteCount)
      call.heldWindowByteCount = 0
    }
    ask(call, message)
  }

  private func ask(_ call: Call, _ message: MessageMemory) {
    guard let method = call.method else { return }
    do throws(CallError) {
      let request =
        switch method {
        case .infer, .streamInfer:
          try HTTPCall(
            inference: message.filled, isStream: method.isStream,
            typedBytesMax: min(ledger.availableByteCount, options.messageByteCountMax))
        default: try HTTPCall(method, message.filled)
        }
      var head: [UInt8] = []
      HTTPClientRequestHead(
        method: request.method, path: request.path,
        contentLength: request.method == .post ? request.bodyByteCount : nil,
        inferenceHeaderContentLength: request.headerContentLength, clientUser: call.client.user,
        clientConnection: call.client.token,
        routingKey: call.routingKey
      ).write(to: &head)
      var bytes = OutgoingBytes()
      guard bytes.append(head, ledger), bytes.append(request.body, original: message, ledger) else { throw .noRoom }
      let exchange = Exchange(call, request, message, bytes)
      call.exchange = exchange
      start(exchange)
    } catch {
      fail(call, error, id: method.isStream ? HTTPCall.id(message.filled) : "")
    }
  }

  // MARK: Answers

  /// The daemon has answered.
  func answered(_ exchange: Exchange, _ connection: DaemonConnection) {
    let call = exchange.call
    guard let method = call.method, let head = connection.head else { return }
    do throws(CallError) {
      let marksLast = method.isStream && exchange.request.inference?.marksLast == true
      let answer: CallAnswer
      switch method {
      case .infer, .streamInfer:
        if exchange.request.inference?.isGeneration == true, head.statusCode == 200 {
          call.exchange = nil
          if marksLast { try send(call, CallAnswer(lastOf: exchange.request), nil) }
          return goOn(call)
        }
        answer = try CallAnswer(
          inference: connection.answer, httpStatus: head.statusCode,
          headerContentLength: head.inferenceHeaderContentLength,
          isLast: marksLast)
      default: answer = try CallAnswer(method, body: connection.answer, httpStatus: head.statusCode)
      }
      call.exchange = nil
      try send(call, answer, connection.body)
      if !method.isStream { finish(call, .ok) }
    } catch {
      call.exchange = nil
      fail(call, error, id: exchange.request.inference?.id ?? "")
    }
  }

  /// An event of a generation.
  func answered(_ exchange: Exchange, event: [UInt8]) throws(CallError) {
    var answer: CallAnswer?
    var failure: CallError?
    event.withUnsafeBytes { bytes in
      do throws(CallError) { answer = try CallAnswer(event: bytes) } catch { failure = error }
    }
    if let failure { throw failure }
    if let answer { try send(exchange.call, answer, nil) }
  }

  /// The daemon is not there, which is what the call asks.
  func answerNotReady(_ call: Call) {
    guard let method = call.method else { return }
    do throws(CallError) {
      try send(call, CallAnswer(method, body: UnsafeRawBufferPointer(start: nil, count: 0), httpStatus: 503), nil)
      finish(call, .ok)
    } catch {
      finish(call, error)
    }
  }

  /// `original`: where parts of the answer stand.
  private func send(_ call: Call, _ answer: CallAnswer, _ original: MessageMemory?) throws(CallError) {
    let answer = call.method?.isStream == true ? answer.inStream() : answer
    let count = answer.byteCount
    guard count <= Int(UInt32.max) else { throw .noRoom }
    let prefix = [0] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) }
    guard let empty = original ?? MessageMemory(byteCount: 0, ledger: ledger), call.outgoing.append(prefix, ledger),
      call.outgoing.append(answer.parts, original: empty, ledger)
    else { throw .noRoom }
    call.client.resume(call)
    note(call.client)
  }

  /// A message was refused: of a stream only this one, and the next is looked at.
  func fail(_ call: Call, _ error: CallError, id: String) {
    guard call.method?.isStream == true, (try? sendFailure(call, error, id)) != nil else { return finish(call, error) }
  }

  private func sendFailure(_ call: Call, _ error: CallError, _ id: String) throws(CallError) {
    let answer = CallAnswer(streamError: error, id: id)
    var outgoing = call.outgoing
    let prefix = [0] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: answer.byteCount >> $0) }
    guard let empty = MessageMemory(byteCount: 0, ledger: ledger), outgoing.append(prefix, ledger),
      outgoing.append(answer.parts, original: empty, ledger)
    else { throw .noRoom }
    call.outgoing = outgoing
    call.client.resume(call)
    note(call.client)
  }

  // MARK: Ends

  /// Nothing more becomes of a call than this.
  func finish(_ call: Call, _ ending: CallError) {
    guard !call.isOver else { return }
    call.ending = ending
    call.messages = []
    call.intake.drop()
    cancel(call)
    call.client.resume(call)
    note(call.client)
  }

  /// The client has gone, or has its answer.
  func drop(_ call: Call) {
    if !call.isOver { call.ending = .init(.cancelled, "") }
    call.messages = []
    cancel(call)
  }

  private func cancel(_ call: Call) {
    guard let exchange = call.exchange else { return }
    call.exchange = nil
    waiting.removeAll { $0 === exchange }
    // The daemon sees that nobody waits any more.
    if let connection = exchange.connection { close(connection) }
    exchange.connection = nil
  }
}

extension CallError {
  /// No error.
  static var ok: CallError { .init(.ok, "") }
}
