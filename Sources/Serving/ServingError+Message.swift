import Memory
import ModelFile
import Protocols
import System
import Tensors

extension ServingError {
  /// What is wrong and what to do about it.
  public var message: String {
    switch self {
    case .malformed(let error): error.message
    case .noSuchPath: "there is nothing at this path: models are under /v2/models, the metrics at /metrics"
    case .methodNotAllowed(let allow): "this path takes only \(allow)"
    case .unknownModel(let name): "there is no model \(ServingError.quoted(name)) here: GET /v2/models lists them"
    case .unknownVersion(let model, let version):
      "model \(ServingError.quoted(model)) has no loaded version \(ServingError.quoted(version)): "
        + "POST /v2/repository/index lists them"
    case .inputMissing(let model, let input):
      "model \(model) needs the input \(ServingError.quoted(input)), which the request lacks"
    case .inputUnknown(let model, let input):
      "model \(model) has no input \(ServingError.quoted(input)): GET /v2/models/\(model) describes it"
    case .inputType(let input, let expected, let actual):
      "input \(input) is of type \(expected.name), not \(actual.name)"
    case .inputShape(let input, let expected, let actual):
      "input \(input) has the shape \(expected.description), not \(actual.description)"
    case .rowsTooMany(let model, let count, let countMax):
      "model \(model) takes at most \(countMax) rows a request, not \(count): send them in several, or say \"max_batch_size\" in its "
        + "config.json"
    case .outputUnknown(let model, let output):
      "model \(model) has no output \(ServingError.quoted(output)): GET /v2/models/\(model) describes it"
    case .sharedMemory(let error): error.message
    case .clientUserRefused:
      "Thimble-Client-User is for gateways that run as root or as this daemon's user (\(Process.effectiveUser)): leave it out"
    case .restricted(let category):
      "\(category.rawValue) is for others on this machine: the file that --clients names says for whom"
    case .tableQuery(let model, let reason): "\(model) is a table: \(reason)"
    case .sequenceMissing(let model):
      "model \(model) keeps sequences: give \"parameters\": {\"sequence_id\": …, \"sequence_start\": true}"
    case .sequenceUnknown(let model, let id):
      "model \(model) has no sequence \(ServingError.text(id)) of yours (never started, ended, or idle for too long): "
        + "start it with \"sequence_start\": true"
    case .notGenerating(let model):
      "model \(model) does not generate: its config.json lacks \"generate\": {\"steps\": …}"
    case .outputRepeated(let output): "output \(output) is asked for more than once"
    default: stateMessage
    }
  }

  private var stateMessage: String {
    switch self {
    case .queueFull(let limit): "\(limit) requests wait already: try again later"
    case .modelQueueFull(let model, let limit): "\(limit) requests wait for model \(model) already: try again later"
    case .clientMemory(let limit, let held):
      "your requests may take \(ByteCount.text(limit)) and take \(ByteCount.text(held)) already: try again later, or with less"
    case .clientQueueFull(let limit): "\(limit) requests of yours wait already: try again later"
    case .cancelled: "the client has gone"
    case .tooManySequences(let limit): "\(limit) sequences are under way already: end some, or try again later"
    case .tooManyConnections(let limit): "\(limit) clients are connected already: try again later"
    case .tooLate(let micros): "the request waited longer than its timeout of \(micros) µs"
    case .stopping: "the server is stopping"
    case .modelLoading(let name): "model \(name) is being loaded: try again later"
    case .modelUnavailable(let model, let reason):
      "model \(model) is not loaded (\(reason)): load it with POST /v2/repository/models/\(model)/load"
    case .memberUnavailable(let model, let member):
      "model \(model) needs model \(member), which is not loaded: load it with "
        + "POST /v2/repository/models/\(member)/load"
    case .member(let name, let error): "model \(name) of the ensemble: \(error.message)"
    case .busyMemory(let error): "no memory while other requests are served: \(error.message)"
    case .memory(let error): error.message
    case .tooLarge(.doesNotFit(let needed, let available, let least)):
      "out of memory budget: \(ByteCount.text(needed)) needed, \(ByteCount.text(available)) left when every other model "
        + "sleeps; give --memory-budget \(ByteCount.option(least)) or more"
    case .tooLarge(let error): error.message
    case .modelMemory(let refusal): refusal.message
    case .memoryPressure(let seconds):
      "the machine is short of memory: inferences are taken again in \(seconds) s or later"
    case .modelChanged(let model):
      "the file of model \(model) was written to while the model slept: replace files by renaming, and load it with "
        + "POST /v2/repository/models/\(model)/load"
    case .repository(let error): "the model repository cannot be read: \(error.message)"
    case .noVersion(let model):
      "model \(model) has no version: put a file at \(model)/1/\(ModelRepository.modelFileName)"
    case .versionAbsent(let model, let version):
      "model \(model) has no version \(version), which its configuration asks for"
    case .configuration(let path, let reason), .untrusted(let path, let reason): "\(path): \(reason)"
    case .modelFile(let path, let error): "\(path): \(error.message)"
    case .notAFile(let path): "\(path) is not a regular file: put the model there"
    case .warmup(let model, let version, let sample, let reason):
      "warm-up \(ServingError.quoted(sample)) of model \(model) version \(version): \(reason)"
    case .alreadyServing(let path):
      "a server answers at \(path) already: stop it, or give another --socket"
    case .notASocket(let path): "\(path) exists and is not a socket: remove it, or give another --socket"
    case .notAListener(let descriptor):
      "descriptor \(descriptor) from the service manager is no Unix stream socket that listens: give ListenStream=/a/path"
    case .limits: "the queue must be at least 1 and at most as long as the number of connections"
    case .system(let error): error.message
    default: ""
    }
  }

  /// The numbers of a refusal by the memory budget.
  var memoryNumbers: (needed: Int, available: Int, leastBudget: Int)? {
    switch self {
    case .memory(.doesNotFit(let needed, let available, let least)),
      .tooLarge(.doesNotFit(let needed, let available, let least)),
      .busyMemory(.doesNotFit(let needed, let available, let least)):
      (needed, available, least)
    case .member(_, let error): error.memoryNumbers
    case .modelMemory(let refusal):
      (refusal.neededByteCount, refusal.availableByteCount, refusal.leastBudgetByteCount)
    default: nil
    }
  }

  private static func text(_ id: SequenceID) -> String {
    switch id {
    case .number(let number): "\(number)"
    case .text(let text): quoted(text)
    }
  }

  /// A peer's text in quotation marks, shortened.
  static func quoted(_ text: String) -> String {
    let start = text.prefix(ProtocolLimits.quotedCharactersMax)
    return "\"" + String(start) + (start.endIndex == text.endIndex ? "\"" : "…\"")
  }
}
