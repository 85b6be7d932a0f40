import Memory
import Protocols
import System

/// What clients may change of the log and of traces.
extension Server {
  func logging(_ connection: Connection, isChange: Bool) throws(ServingError) -> Answer {
    if isChange {
      var settings = log.settings
      do { try settings.apply(try settingBody(connection)) } catch { throw .malformed(error) }
      log.settings = settings
    }
    return Answer(bytes: log.settings.jsonBytes)
  }

  func traceSetting(_ connection: Connection, _ model: String?, isChange: Bool) throws(ServingError) -> Answer {
    if let model { _ = try repository.entry(model) }
    if isChange {
      var setting = trace.own(model)
      do { try setting.apply(try settingBody(connection)) } catch { throw .malformed(error) }
      if setting.isOn == true, trace.needsMemory {
        let byteCount = min(ServingLimits.traceBytesMax, budget.limitByteCount / 32)
        do { trace.take(try buffers.reserve(byteCount)) } catch { throw residents.refusal(error, sparing: nil) }
      }
      trace.set(setting, of: model)
    }
    return Answer(bytes: trace.setting(of: model).jsonBytes)
  }

  /// The body stays with the connection: where memory is wanting, the request is looked at again.
  private func settingBody(_ connection: Connection) throws(ProtocolError) -> UnsafeRawBufferPointer {
    guard let body = connection.body, body.count > 0 else { throw .fieldMissing(field: "a setting", owner: "request") }
    return body.bytes
  }

  func traceAnswer() throws(ServingError) -> Answer {
    let document = TraceDocument(book: trace)
    return try hold(document.jsonBytesMax) { document.write(to: &$0) }
  }

  /// Writes down a request that has been answered.
  func addTrace(
    _ metrics: ModelMetrics, connection: UInt64, received: Int64, _ durations: ModelMetrics.Durations,
    operators: [UInt8], failure: ServingError?
  ) {
    var events = TraceEvents(byteCountMax: operators.count + 6 * (TraceEvents.eventBytesMax + metrics.model.utf8.count))
    let lane = Int(truncatingIfNeeded: connection)
    let worker = TraceEvents.workerLane
    events.add("request", "request", lane: lane, start: received, nanoseconds: Clock.nowNanoseconds - received) {
      $0.member("model", metrics.model)
      $0.member("version", "\(metrics.version)")
      $0.member("status", failure?.status.code ?? 200)
    }
    events.add("queue", "request", lane: lane, start: received, nanoseconds: durations.queueNanoseconds)
    var start = received + durations.queueNanoseconds
    let computes: [(String, Int64)] = [
      ("compute_input", durations.inputNanoseconds), ("compute_infer", durations.inferenceNanoseconds),
      ("compute_output", durations.outputNanoseconds),
    ]
    for (name, nanoseconds) in computes where nanoseconds > 0 {
      events.add(name, "compute", lane: worker, start: start, nanoseconds: nanoseconds)
      start += nanoseconds
    }
    events.add(operators)
    if let remark = trace.add(events.bytes) { log.line(remark, .warning) }
  }
}
