import Protocols
import Runtime
import System
import Tensors

/// Requests of several rows for a model of batch 1: `[n, …]` where the model has `[1, …]`.
extension InferenceJob {
  /// One of the model's inputs, decoded or binary, and the memory that it is in.
  private struct RowInput {
    let tensor: InferenceTensor
    let source: UnsafeRawBufferPointer
  }

  /// Runs the rows, as many at once as the model's batches may have, and answers with all of them. Where weights pass through memory for
  /// every run, they do so once for each batch.
  func executeRows(
    _ model: LoadedModel, _ request: InferenceRequest, _ body: RequestBody
  ) throws(ServingError) -> Answer {
    let wanted = InferenceJob.wantedOutputs(request, of: model.outputs)
    let ranges = InferenceJob.rowRanges(wanted, of: model, rowCount: rowCount)
    let outputByteCount = ranges.last?.upperBound ?? 0
    let session = try residents.begin(model, holding: body.buffer.bytes.count + outputByteCount)
    let start = Clock.nowNanoseconds
    durations.queueNanoseconds = start - receivedNanoseconds
    try checkStart(start)
    // Found now: once the model has run, nothing may move before its outputs have been read.
    let tensors = try take(outputByteCount, model)
    let (inputs, buffers) = try rowInputs(request, body, of: model)
    durations.inputNanoseconds = Clock.nowNanoseconds - start
    let together = model.configuration.queue.batches.countMax(isStreaming: session.isStreaming)
    let effort = residents.takeEffort()
    let threadCount = session.threadCount(limit: effort.threadLimit)
    var row = 0
    while row < rowCount {
      let left = min(together, rowCount - row)
      let count = left > 1 ? max(1, residents.makeRoom(for: left, of: model, session)) : 1
      try run(row..<row + count, inputs, of: model, session, threadLimit: effort.threadLimit)
      let began = Clock.nowNanoseconds
      for (index, range) in zip(wanted, ranges) {
        let byteCount = model.outputs[index].byteCount
        for inference in 0..<count {
          let first = range.lowerBound + (row + inference) * byteCount
          session.readOutput(
            index, of: inference,
            into: UnsafeMutableRawBufferPointer(rebasing: tensors.bytes[first..<first + byteCount]))
        }
      }
      durations.outputNanoseconds += Clock.nowNanoseconds - began
      row += count
    }
    residents.end(model)
    try model.checkFile()
    withExtendedLifetime(buffers) {}
    endBody()
    coreNanoseconds = durations.inferenceNanoseconds * Int64(threadCount)
    return try InferenceJob.answer(
      request, of: model, .rows(tensors, at: ranges, count: rowCount), shared, residents,
      effort: effort.state.map { .init(threadCount: threadCount, state: $0) }, profile: nil)
  }

  private func run(
    _ rows: Range<Int>, _ inputs: [RowInput], of model: LoadedModel, _ session: Session, threadLimit: Int
  ) throws(ServingError) {
    let start = Clock.nowNanoseconds
    for (inference, row) in rows.enumerated() {
      do throws(ProtocolError) {
        for (index, input) in inputs.enumerated() {
          let tensor = input.tensor.row(row, of: model.inputs[index].shape)
          try session.writeInput(model.inputIndices[index], of: inference) { (bytes) throws(ProtocolError) in
            try tensor.decode(from: input.source, into: bytes)
          }
        }
      } catch {
        throw .malformed(error)
      }
    }
    do { try shared?.check() } catch { throw .sharedMemory(error) }
    try model.checkFile()
    let written = Clock.nowNanoseconds
    guard session.run(threadLimit: threadLimit, inferenceCount: rows.count, unless: hangup) else { throw .cancelled }
    durations.inputNanoseconds += written - start
    durations.inferenceNanoseconds += Clock.nowNanoseconds - written
  }

  /// The inputs in the model's order, each with as many bytes as its rows have; text is decoded to buffers of its own.
  private func rowInputs(
    _ request: InferenceRequest, _ body: RequestBody, of model: LoadedModel
  ) throws(ServingError) -> (inputs: [RowInput], buffers: [Buffer]) {
    var inputs: [RowInput] = []
    var buffers: [Buffer] = []
    for index in model.inputs.indices {
      guard let (tensor, source) = encoded(index, request, body, of: model) else { continue }
      guard case .json = tensor.payload else {
        inputs.append(RowInput(tensor: tensor, source: source))
        continue
      }
      let buffer = try take(tensor.byteCount, model)
      let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<tensor.byteCount])
      do { try tensor.decode(from: source, into: bytes) } catch { throw .malformed(error) }
      inputs.append(RowInput(tensor: tensor.decoded, source: UnsafeRawBufferPointer(bytes)))
      buffers.append(buffer)
    }
    return (inputs, buffers)
  }
}
