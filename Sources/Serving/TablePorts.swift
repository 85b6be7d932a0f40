import Protocols
import Runtime
import Tables
import Tensors

/// What may be asked of a table, and what it answers. A request brings one of the inputs.
struct TablePorts: Sendable {
  let inputs: [Session.Port]
  let outputs: [Session.Port]
  /// Elements of a vector; nil: it has none.
  let vectorWidth: Int?
  let isKeyed: Bool
  /// Number of columns, whose outputs come after `found`; what neighbors are comes after them.
  let columnCount: Int

  /// Outputs of a look-up.
  var rowOutputs: Range<Int> { 0..<1 + columnCount }
  /// Outputs of a search: who the neighbors are, and their scores.
  var neighborOutputs: Range<Int> { 1 + columnCount..<outputs.count }

  static let keyInput = "key"
  static let idInput = "id"
  static let vectorInput = "vector"

  /// Bytes of the heap that they take.
  static func byteCount(_ table: Table) -> Int { 256 * (table.columns.count + 6) }

  init(_ table: Table) {
    let rows = Shape([-1])
    isKeyed = table.isKeyed
    columnCount = table.columns.count
    vectorWidth = table.vectorColumn.map { table.columns[$0].width }
    var inputs = [
      isKeyed
        ? Session.Port(name: TablePorts.keyInput, elementType: .bytes, shape: rows)
        : Session.Port(name: TablePorts.idInput, elementType: .int64, shape: rows)
    ]
    var outputs = [Session.Port(name: "found", elementType: .bool, shape: rows)]
    for column in table.columns {
      let shape = column.width == 1 ? rows : Shape([-1, column.width])
      outputs.append(Session.Port(name: column.name, elementType: column.elementType, shape: shape))
    }
    if let width = vectorWidth {
      inputs.append(Session.Port(name: TablePorts.vectorInput, elementType: .float32, shape: Shape([-1, width])))
      let lists = Shape([-1, -1])
      outputs.append(
        isKeyed
          ? Session.Port(name: "neighbor_keys", elementType: .bytes, shape: lists)
          : Session.Port(name: "neighbor_ids", elementType: .int64, shape: lists))
      outputs.append(Session.Port(name: "neighbor_scores", elementType: .float32, shape: lists))
    }
    (self.inputs, self.outputs) = (inputs, outputs)
  }
}

/// What a request asks of a table.
struct TableQuery {
  enum Kind { case key, id, vector }

  let kind: Kind
  let input: InferenceTensor
  let count: Int
  /// Indices of the table's outputs, in the order of the answer.
  let outputs: [Int]

  /// Errors: no input or several, one of another type or shape, outputs that such a question has not.
  init(_ request: InferenceRequest, of model: LoadedModel, _ ports: TablePorts) throws(ServingError) {
    guard request.form == .openInference else {
      throw .tableQuery(model: model.name, reason: "it takes POST /v2/models/\(model.name)/infer only")
    }
    guard request.inputs.count == 1, let input = request.inputs.first else {
      throw .tableQuery(model: model.name, reason: "give one of its inputs, not \(request.inputs.count)")
    }
    guard let port = ports.inputs.first(where: { $0.name == input.name }) else {
      throw .inputUnknown(model: model.name, input: input.name)
    }
    guard input.elementType == port.elementType else {
      throw .inputType(input: port.name, expected: port.elementType, actual: input.elementType)
    }
    guard !request.hasSharedTensors else {
      throw .tableQuery(
        model: model.name, reason: "its tensors do not go through shared memory: their sizes are not known before")
    }
    let width = input.name == TablePorts.vectorInput ? ports.vectorWidth ?? 1 : 1
    let elements = input.shape.elementCount
    guard input.shape.rank >= 1, elements > 0, input.shape.dimensions.last == width || width == 1, elements % width == 0
    else { throw .inputShape(input: port.name, expected: port.shape, actual: input.shape) }
    count = elements / width
    guard count <= ServingLimits.tableQueryRowsMax else {
      throw .tableQuery(model: model.name, reason: "\(count) at once, of at most \(ServingLimits.tableQueryRowsMax)")
    }
    self.input = input
    kind = input.name == TablePorts.vectorInput ? .vector : ports.isKeyed ? .key : .id
    let answered = kind == .vector ? ports.neighborOutputs : ports.rowOutputs
    var outputs: [Int] = []
    for output in request.outputs {
      guard let index = ports.outputs.firstIndex(where: { $0.name == output.name }), answered.contains(index) else {
        throw .outputUnknown(model: model.name, output: output.name)
      }
      guard !outputs.contains(index) else { throw .outputRepeated(output: output.name) }
      guard output.classificationCount == 0 else {
        throw .tableQuery(model: model.name, reason: "it has no classes: leave classification out")
      }
      outputs.append(index)
    }
    self.outputs = outputs.isEmpty ? Array(answered) : outputs
  }
}
