import Memory
import ModelFile
import Protocols
import System
import Tensors

/// Why a request is refused, or the daemon cannot start. `message` says what to do.
public enum ServingError: Error, Sendable {
  // What a client sent
  case malformed(ProtocolError)
  case noSuchPath
  case methodNotAllowed(allow: String)
  case unknownModel(String)
  case unknownVersion(model: String, version: String)
  case inputMissing(model: String, input: String)
  case inputUnknown(model: String, input: String)
  case inputType(input: String, expected: ElementType, actual: ElementType)
  case inputShape(input: String, expected: Shape, actual: Shape)
  case rowsTooMany(model: String, count: Int, countMax: Int)
  case outputUnknown(model: String, output: String)
  case outputRepeated(output: String)
  case sharedMemory(SharedMemoryError)
  /// Somebody who is no gateway asks for another.
  case clientUserRefused

  /// Something that its client may not ask.
  case restricted(RouteCategory)
  /// What no table can be asked, or set to do.
  case tableQuery(model: String, reason: String)
  /// A model that keeps sequences is asked without one.
  case sequenceMissing(model: String)
  case sequenceUnknown(model: String, id: SequenceID)
  /// Asked to generate what the model's configuration does not let it.
  case notGenerating(model: String)

  // What the daemon cannot do now
  case tooManySequences(limit: Int)
  case queueFull(limit: Int)
  case modelQueueFull(model: String, limit: Int)
  case clientQueueFull(limit: Int)
  case clientMemory(limit: Int, heldByteCount: Int)
  case tooManyConnections(limit: Int)
  case tooLate(timeoutMicros: Int)
  /// The client has gone.
  case cancelled
  case stopping
  case modelLoading(String)
  /// Not loaded, for the reason given.
  case modelUnavailable(model: String, reason: String)
  /// A model of an ensemble is not loaded.
  case memberUnavailable(model: String, member: String)
  /// What a model of an ensemble met with.
  indirect case member(String, ServingError)
  /// The budget refuses what would fit while nothing else goes on.
  case busyMemory(MemoryError)
  /// The budget refuses what could only run with a larger budget or fewer models.
  case memory(MemoryError)
  /// The budget refuses what would not fit even if everybody else gave up all they can.
  case tooLarge(MemoryError)
  /// The same of loading or waking a model.
  case modelMemory(ModelRefusal)
  /// The machine is short of memory: no inferences are taken for now.
  case memoryPressure(retryAfterSeconds: Int)
  /// A sleeping model's file has been written to.
  case modelChanged(model: String)

  // What is wrong with the repository
  case repository(SystemError)
  case noVersion(model: String)
  case versionAbsent(model: String, version: Int)
  case configuration(path: String, reason: String)
  case modelFile(path: String, ModelFileError)
  /// Nobody who is trusted has signed the file.
  case untrusted(path: String, reason: String)
  case notAFile(path: String)
  case warmup(model: String, version: Int, sample: String, reason: String)

  // Why the daemon does not start
  case alreadyServing(path: String)
  case notASocket(path: String)
  /// What the service manager passed.
  case notAListener(descriptor: Int32)
  case limits
  case system(SystemError)
}

extension ServingError {
  /// The status that answers a request with this error.
  var status: HTTPStatus {
    switch self {
    case .malformed(let error): error.status
    case .member(_, let error): error.status
    case .sharedMemory(let error): error.status
    case .clientUserRefused, .restricted: .forbidden
    case .noSuchPath, .unknownModel, .unknownVersion, .noVersion, .versionAbsent, .modelUnavailable,
      .memberUnavailable:
      .notFound
    case .methodNotAllowed: .methodNotAllowed
    case .inputMissing, .inputUnknown, .inputType, .inputShape, .rowsTooMany, .outputUnknown, .outputRepeated,
      .sequenceMissing, .sequenceUnknown, .notGenerating, .tableQuery:
      .badRequest
    case .queueFull, .tooManySequences, .modelQueueFull, .clientQueueFull, .clientMemory, .cancelled,
      .tooManyConnections, .tooLate,
      .stopping,
      .modelLoading, .busyMemory, .memoryPressure:
      .serviceUnavailable
    case .memory, .tooLarge, .modelMemory: .insufficientStorage
    case .repository, .configuration, .modelFile, .untrusted, .notAFile, .warmup, .alreadyServing, .notASocket,
      .notAListener,
      .limits, .system, .modelChanged:
      .internalServerError
    }
  }

  /// Whether the same request may succeed a little later.
  var isTransient: Bool { status == .serviceUnavailable }

  /// Whether the same load may succeed a little later, though nobody has changed anything.
  var mayPass: Bool {
    switch self {
    case .memory(.refusedByKernel), .modelFile(_, .changed), .modelFile(_, .unreadable): true
    case .repository(let error), .modelFile(_, .system(let error)), .system(let error):
      error.isShortage || error.code == SystemError.inputOutput
    default: isTransient
    }
  }

  /// What `Retry-After` says where a later try may succeed.
  var retryAfterSeconds: Int? {
    guard isTransient else { return nil }
    if case .memoryPressure(let seconds) = self { return seconds }
    return ServingLimits.retryAfterSeconds
  }
}
