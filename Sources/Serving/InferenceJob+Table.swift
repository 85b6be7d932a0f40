import Memory
import ModelFile
import Protocols
import Runtime
import System
import Tables
import Tensors

extension InferenceJob {
  /// Looks rows up, or finds neighbors. What is answered lies in one buffer.
  func execute(
    _ ports: TablePorts, of model: LoadedModel, _ request: InferenceRequest, _ body: RequestBody
  ) throws(ServingError) -> Answer {
    guard !request.parameters.wantsProfile else {
      throw .malformed(.fieldInvalid(field: "thimble_profile", expected: "left out where the model is a table"))
    }
    let query = try TableQuery(request, of: model, ports)
    let table = try residents.beginTable(model)
    let start = Clock.nowNanoseconds
    durations.queueNanoseconds = start - receivedNanoseconds
    try model.checkFile()
    let search = TableSearch(
      table: table, query: query, ports: ports, request: request, model: model, residents: residents, hangup: hangup)
    let found = query.kind == .vector ? try search.neighbors(body) : try search.rows(body)
    body.giveBack()
    self.body = nil
    try model.checkFile()
    residents.end(model)
    let done = Clock.nowNanoseconds
    durations.inferenceNanoseconds = done - start
    coreNanoseconds = done - start
    var response = InferenceResponse(
      modelName: model.name, modelVersion: "\(model.version)", id: request.id, outputs: found.outputs)
    response.form = request.form
    let byteCountMax = response.encodedBytesMax
    let held = try residents.findingRoom(sparing: model) { () throws(MemoryError) in
      try residents.buffers.reserve(byteCountMax)
    }
    let encoded: EncodedInference
    do { encoded = try response.encoded() } catch { throw .malformed(error) }
    durations.outputNanoseconds = Clock.nowNanoseconds - done
    return Answer(.ok, contentType: encoded.contentType, body: encoded, tensors: found.buffer, held: held)
  }
}

/// One question to a table.
struct TableSearch {
  let table: Table
  let query: TableQuery
  let ports: TablePorts
  let request: InferenceRequest
  let model: LoadedModel
  let residents: ModelResidents
  /// Set when the client has gone.
  let hangup: Futex

  struct Found {
    let outputs: [InferenceOutput]
    let buffer: Buffer
  }

  private func take(_ byteCount: Int) throws(ServingError) -> Buffer {
    try residents.findingRoom(sparing: model) { () throws(MemoryError) in try residents.buffers.take(byteCount) }
  }

  private func inFile<Result>(_ body: () throws(ModelFileError) -> Result) throws(ServingError) -> Result {
    do throws(ModelFileError) { return try body() } catch { throw .modelFile(path: model.opened.path, error) }
  }

  // MARK: Rows

  /// Rows by key or number. What is not there has zeros and empty texts, and false in `found`.
  func rows(_ body: RequestBody) throws(ServingError) -> Found {
    let places = try take(query.count * MemoryLayout<Table.Row?>.stride)
    let rows = places.bytes.bindMemory(to: Table.Row?.self)
    // By output: bytes of its texts, each behind its length.
    var byteCounts = query.outputs.map { byteCount(ofOutput: $0) }
    if query.kind == .id {
      let ids = try take(8 * query.count)
      let bytes = UnsafeMutableRawBufferPointer(rebasing: ids.bytes[..<(8 * query.count)])
      do throws(ProtocolError) { try query.input.decode(from: body.bytes, into: bytes) } catch {
        throw .malformed(error)
      }
      for index in 0..<query.count { rows[index] = table.row(bytes.load(fromByteOffset: 8 * index, as: Int64.self)) }
      withExtendedLifetime(ids) {}
      for index in 0..<query.count { try addTexts(rows[index], &byteCounts) }
    } else {
      var failure: ServingError?
      do throws(ProtocolError) {
        try query.input.forEachText(in: body.bytes) { index, key in
          guard failure == nil else { return }
          do throws(ServingError) {
            rows[index] = try inFile { () throws(ModelFileError) in try table.row(ofKey: key) }
            try addTexts(rows[index], &byteCounts)
            if hangup.load() != 0 { throw .cancelled }
          } catch { failure = error }
        }
      } catch {
        throw .malformed(error)
      }
      if let failure { throw failure }
    }
    let buffer = try take(max(1, byteCounts.reduce(0, +)))
    var ends: [Int] = []
    var offset = 0
    for byteCount in byteCounts {
      ends.append(offset)
      offset += byteCount
    }
    let starts = ends
    for index in 0..<query.count { try write(rows[index], to: buffer.bytes, at: &ends) }
    withExtendedLifetime(places) {}
    let outputs = query.outputs.enumerated().map { place, index in
      let port = ports.outputs[index]
      return output(
        port, Shape([query.count] + port.shape.dimensions.dropFirst()),
        UnsafeRawBufferPointer(rebasing: buffer.bytes[starts[place]..<ends[place]]))
    }
    return Found(outputs: outputs, buffer: buffer)
  }

  private func output(_ port: Session.Port, _ shape: Shape, _ bytes: UnsafeRawBufferPointer) -> InferenceOutput {
    InferenceOutput(
      name: port.name, elementType: port.elementType, shape: shape, bytes: bytes,
      requested: request.outputs.first { $0.name == port.name }, parameters: request.parameters)
  }

  /// Bytes of an output without its texts: their lengths only.
  private func byteCount(ofOutput index: Int) -> Int {
    guard index > 0 else { return query.count }
    let column = table.columns[index - 1]
    return query.count * (column.rowByteCount ?? 4 * column.width)
  }

  private func addTexts(_ row: Table.Row?, _ byteCounts: inout [Int]) throws(ServingError) {
    guard let row else { return }
    for (place, index) in query.outputs.enumerated() where index > 0 && table.columns[index - 1].rowByteCount == nil {
      for text in 0..<table.columns[index - 1].width {
        byteCounts[place] += try inFile { () throws(ModelFileError) in try table.text(of: row, index - 1, text).count }
      }
    }
  }

  /// Appends a row to each output.
  private func write(
    _ row: Table.Row?, to bytes: UnsafeMutableRawBufferPointer, at ends: inout [Int]
  ) throws(ServingError) {
    for (place, index) in query.outputs.enumerated() {
      guard index > 0 else {
        bytes[ends[place]] = row == nil ? 0 : 1
        ends[place] += 1
        continue
      }
      let column = table.columns[index - 1]
      if let byteCount = column.rowByteCount {
        let target = UnsafeMutableRawBufferPointer(rebasing: bytes[ends[place]..<ends[place] + byteCount])
        if let row {
          target.copyMemory(from: try inFile { () throws(ModelFileError) in try table.elements(of: row, index - 1) })
        } else {
          target.initializeMemory(as: UInt8.self, repeating: 0)
        }
        ends[place] += byteCount
      } else {
        for text in 0..<column.width {
          let text = try row.map { (row) throws(ServingError) in
            try inFile { () throws(ModelFileError) in try table.text(of: row, index - 1, text) }
          }
          TableSearch.append(text, to: bytes, at: &ends[place])
        }
      }
    }
  }

  /// A text behind its length.
  private static func append(
    _ text: UnsafeRawBufferPointer?, to bytes: UnsafeMutableRawBufferPointer, at end: inout Int
  ) {
    let count = text?.count ?? 0
    bytes.storeBytes(of: UInt32(truncatingIfNeeded: count).littleEndian, toByteOffset: end, as: UInt32.self)
    if let text { UnsafeMutableRawBufferPointer(rebasing: bytes[(end + 4)...]).copyMemory(from: text) }
    end += 4 + count
  }

  // MARK: Neighbors

  /// The rows whose vectors have the highest dot products with each of those asked about. Where there are fewer, id −1, an empty key
  /// and the score 0 stand for the rest.
  func neighbors(_ body: RequestBody) throws(ServingError) -> Found {
    let width = ports.vectorWidth ?? 1
    let wanted = request.parameters.neighborCount
    let count = min(wanted > 0 ? wanted : ServingLimits.neighborsDefault, max(1, table.rowCount))
    guard count <= ServingLimits.neighborsMax, query.count <= ServingLimits.tableSearchVectorsMax else {
      throw .tableQuery(
        model: model.name,
        reason:
          "at most \(ServingLimits.neighborsMax) neighbors of at most \(ServingLimits.tableSearchVectorsMax) vectors")
    }
    let entries = query.count * count
    let vectors = try take(4 * width * query.count)
    let rows = try take(8 * entries)
    let scores = try take(4 * entries)
    let vectorBytes = UnsafeMutableRawBufferPointer(rebasing: vectors.bytes[..<(4 * width * query.count)])
    do throws(ProtocolError) { try query.input.decode(from: body.bytes, into: vectorBytes) } catch {
      throw .malformed(error)
    }
    let values = UnsafeBufferPointer(vectorBytes.bindMemory(to: Float.self))
    let rowNumbers = UnsafeMutableRawBufferPointer(rebasing: rows.bytes[..<(8 * entries)]).bindMemory(to: Int64.self)
    let scoreValues = UnsafeMutableRawBufferPointer(rebasing: scores.bytes[..<(4 * entries)]).bindMemory(to: Float.self)
    var queries: [UnsafeBufferPointer<Float>] = []
    var lists: [NeighborList] = []
    for index in 0..<query.count {
      queries.append(UnsafeBufferPointer(rebasing: values[index * width..<(index + 1) * width]))
      let range = index * count..<(index + 1) * count
      lists.append(
        NeighborList(
          rows: UnsafeMutableBufferPointer(rebasing: rowNumbers[range]),
          scores: UnsafeMutableBufferPointer(rebasing: scoreValues[range])))
    }
    let isWhole = try inFile { () throws(ModelFileError) in
      try table.findNeighbors(of: queries, into: &lists) { hangup.load() != 0 }
    }
    withExtendedLifetime(vectors) {}
    guard isWhole else { throw .cancelled }
    let keysByteCount = try ports.isKeyed ? 4 * entries + keysByteCount(rowNumbers) : 8 * entries
    let buffer = try take(max(1, keysByteCount + 4 * entries))
    var end = 0
    for row in rowNumbers {
      if ports.isKeyed {
        let key = try table.row(row).map { (row) throws(ServingError) in
          try inFile { () throws(ModelFileError) in try table.key(of: row) }
        }
        TableSearch.append(key, to: buffer.bytes, at: &end)
      } else {
        buffer.bytes.storeBytes(of: row.littleEndian, toByteOffset: end, as: Int64.self)
        end += 8
      }
    }
    let identities = UnsafeRawBufferPointer(rebasing: buffer.bytes[..<end])
    let scoresRange = end..<end + 4 * entries
    UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[scoresRange])
      .copyMemory(from: UnsafeRawBufferPointer(rebasing: scores.bytes[..<(4 * entries)]))
    withExtendedLifetime((rows, scores)) {}
    let shape = Shape([query.count, count])
    let outputs = query.outputs.map { index in
      let isScore = index == ports.neighborOutputs.upperBound - 1
      return output(
        ports.outputs[index], shape,
        isScore ? UnsafeRawBufferPointer(rebasing: buffer.bytes[scoresRange]) : identities)
    }
    return Found(outputs: outputs, buffer: buffer)
  }

  private func keysByteCount(_ rows: UnsafeMutableBufferPointer<Int64>) throws(ServingError) -> Int {
    var byteCount = 0
    for row in rows {
      guard let row = table.row(row) else { continue }
      byteCount += try inFile { () throws(ModelFileError) in try table.key(of: row).count }
    }
    return byteCount
  }
}
