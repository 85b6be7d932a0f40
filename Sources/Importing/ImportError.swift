import Tensors

/// Why a model file cannot be imported. `message` says what is wrong and what to do.
public enum ImportError: Error, Equatable, Sendable {
  /// The file does not carry TFLite's identifier.
  case notTFLite(fileBytes: Int)
  /// A structure of the file reaches past its end.
  case damaged(offset: Int, byteCount: Int, fileBytes: Int)
  /// A schema other than version 3.
  case unsupportedVersion(Int)
  case noSubgraph
  /// A reference to a tensor, buffer or operator code that is not there.
  case noSuchEntry(String, index: Int, count: Int)
  /// More tensors, operators, operator codes or buffers than a graph may have.
  case tooManyEntries(String, count: Int, countMax: Int)
  /// An element type that no operator here takes.
  case unsupportedElementType(tensor: String, code: Int)
  case tooManyDimensions(tensor: String, count: Int)
  case tooLarge(tensor: String, shape: Shape)
  case payloadTooLarge(bytes: Int, bytesMax: Int)
  /// The buffer of a constant has another size than its shape says.
  case constantSize(tensor: String, bytes: Int, expected: Int)
  /// The shape that follows from the operators is not the one the file declares.
  case shapeMismatch(tensor: String, declared: Shape, inferred: Shape)
  /// Scale or zero point missing, per channel where one is expected, or out of range.
  case badQuantization(tensor: String, scales: Int, zeroPoint: Int)
  /// An input dimension other than the first is unknown.
  case unknownDimension(tensor: String, axis: Int)
  /// A batch was asked for, but the file fixes another one.
  case fixedBatch(tensor: String, batch: Int, requested: Int)
  case duplicateInput(tensor: String)
  /// An output that no operator writes.
  case outputMissing(tensor: String)
  /// The lowered graph breaks one of the runtime's limits; the text is the graph check's.
  case invalidGraph(String)
  case unsupportedOperator(name: String, index: Int)
  case operatorRejected(name: String, index: Int, reason: OperatorProblem)

  public var message: String {
    switch self {
    case .notTFLite(let bytes):
      "this is not a TFLite model: the file of \(bytes) bytes lacks the identifier TFL3; give a .tflite file"
    case .damaged(let offset, let count, let bytes):
      "the file is damaged: \(count) bytes are needed at offset \(offset), but it ends at \(bytes); fetch it again"
    case .unsupportedVersion(let version):
      "the file has TFLite schema version \(version), but 3 is needed; convert the model with a current converter"
    case .noSubgraph: "the file holds no graph; export the model again"
    case .noSuchEntry(let kind, let index, let count):
      "the file is damaged: it refers to \(kind) \(index), but there are \(count); fetch it again"
    case .tooManyEntries(let kind, let count, let countMax):
      "the file has \(count) \(kind)s, more than the \(countMax) that are supported; use a smaller model"
    case .unsupportedElementType(let tensor, let code):
      "tensor \(tensor) has element type code \(code), which is not supported; quantize the model to uint8 or int8"
    case .tooManyDimensions(let tensor, let count):
      "tensor \(tensor) has \(count) dimensions, more than the \(Shape.rankMax) that are supported"
    case .tooLarge(let tensor, let shape):
      "tensor \(tensor) has shape \(shape.description): empty, negative or larger than "
        + "\(ImportLimits.tensorBytesMax) bytes; use a smaller model or batch"
    case .payloadTooLarge(let bytes, let bytesMax):
      "the packed weights would take \(bytes) bytes, more than the \(bytesMax) that a file of this size may need"
    case .constantSize(let tensor, let bytes, let expected):
      "constant tensor \(tensor) has \(bytes) bytes where its shape needs \(expected); fetch the file again"
    case .shapeMismatch(let tensor, let declared, let inferred):
      "tensor \(tensor) is declared as \(declared.description), but the operators give \(inferred.description); "
        + "export the model again"
    case .badQuantization(let tensor, let scales, let zeroPoint):
      "tensor \(tensor) has \(scales) scales and zero point \(zeroPoint); one positive scale and a zero point in the "
        + "type's range are needed: quantize the model to uint8 or int8"
    case .unknownDimension(let tensor, let axis):
      "input \(tensor) leaves dimension \(axis) open; only the first (the batch) may be: convert with fixed sizes"
    case .fixedBatch(let tensor, let batch, let requested):
      "input \(tensor) has a fixed batch of \(batch), so a batch of \(requested) cannot be built; convert the model "
        + "with an open batch dimension or leave the batch out"
    case .duplicateInput(let tensor): "tensor \(tensor) is an input twice; export the model again"
    case .outputMissing(let tensor): "no operator writes output \(tensor); export the model again"
    case .invalidGraph(let text): "the model cannot be run: \(text)"
    case .unsupportedOperator(let name, let index):
      "operator \(index) is \(name), which is not supported; supported are " + supportedOperatorNames
    case .operatorRejected(let name, let index, let reason): "operator \(index) (\(name)): " + reason.message
    }
  }
}

/// What is wrong with one operator of a file.
public enum OperatorProblem: Error, Equatable, Sendable {
  case operandCount(Int)
  case outputCount(Int)
  /// An operand that no earlier operator, input or constant provides.
  case operandNotReady(tensor: String)
  /// Its output already has a value.
  case outputTaken(tensor: String)
  /// An operand that must be known at import.
  case notConstant(tensor: String)
  case elementType(tensor: String, type: ElementType)
  case shapes(Shape, Shape)
  case rank(Int)
  case axis(Int, rank: Int)
  /// A number of the operator's options or constant operands that makes no sense.
  case option(String, Int)
  case missingOptions
  /// Scales so far apart that the fixed point cannot hold them.
  case scale(tensor: String)
  case notSymmetric(tensor: String, zeroPoint: Int)
  case quantizationDiffers(tensor: String)

  var message: String {
    switch self {
    case .operandCount(let count): "it has \(count) operands, which does not fit; export the model again"
    case .outputCount(let count): "it has \(count) outputs, which does not fit; export the model again"
    case .operandNotReady(let tensor):
      "it reads tensor \(tensor), which nothing before it writes; export the model again"
    case .outputTaken(let tensor): "it writes tensor \(tensor), which already has a value; export the model again"
    case .notConstant(let tensor):
      "tensor \(tensor) must be constant; convert the model with constant weights and sizes"
    case .elementType(let tensor, let type):
      "tensor \(tensor) has type \(type.name), which it does not take; quantize the whole model to uint8 or int8"
    case .shapes(let first, let second):
      "shapes \(first.description) and \(second.description) do not fit together; export the model again"
    case .rank(let rank): "it does not take tensors of \(rank) dimensions"
    case .axis(let axis, let rank): "axis \(axis) is not in a tensor of \(rank) dimensions"
    case .option(let name, let value): "\(name) is \(value), which is not supported"
    case .missingOptions: "its options are missing; export the model again"
    case .scale(let tensor):
      "the scale of tensor \(tensor) is too far from those of the others; quantize the model again"
    case .notSymmetric(let tensor, let zeroPoint):
      "the int8 weights \(tensor) have zero point \(zeroPoint), but must be symmetric; quantize the model again"
    case .quantizationDiffers(let tensor):
      "tensor \(tensor) must have the scale and zero point of the output; quantize the model again"
    }
  }
}
