import Protocols
import System
import Tensors

/// A blocking client of a Thimble daemon, or of any server of the Open Inference Protocol over HTTP on a Unix socket.
///
/// It keeps one connection and opens another where the daemon has closed it. Use it from one thread at a time.
public final class ThimbleClient {
  /// Where the daemon of an installed package listens.
  public static let installedSocketPath = "/run/thimble/thimble.sock"

  public let socketPath: String
  private let timeoutMilliseconds: Int32
  private var connection: ClientConnection?
  /// What the daemon forgets with the connection.
  private var passed: [SharedMemory] = []

  /// `timeoutMilliseconds`: how long the daemon may say nothing; 0: for ever.
  public init(socketPath: String, timeoutMilliseconds: Int32 = 0) {
    self.socketPath = socketPath
    self.timeoutMilliseconds = timeoutMilliseconds
  }

  // MARK: Asking

  /// Whether the daemon answers at all. Errors: there is none, or it cannot be understood.
  public func isLive() throws(ClientError) -> Bool {
    try call(.get, ["v2", "health", "live"]).head.statusCode == 200
  }

  /// Errors: the daemon takes no requests, in its words; there is none, or it cannot be understood.
  public func checkReadiness() throws(ClientError) { _ = try accepted(try call(.get, ["v2", "health", "ready"])) }

  /// Whether the daemon takes requests. Errors: there is none, or it cannot be understood.
  public func isReady() throws(ClientError) -> Bool {
    let reply = try call(.get, ["v2", "health", "ready"])
    return reply.head.statusCode == 200
  }

  public func isReady(model: String, version: String? = nil) throws(ClientError) -> Bool {
    try call(.get, ThimbleClient.path(model, version) + ["ready"]).head.statusCode == 200
  }

  public func serverMetadata() throws(ClientError) -> ClientServer {
    let document = try document(.get, ["v2"])
    return ClientServer(
      name: document["name"]?.string ?? "", version: document["version"]?.string ?? "",
      extensions: (document["extensions"]?.array ?? []).compactMap { $0.string })
  }

  public func models() throws(ClientError) -> [String] {
    (try document(.get, ["v2", "models"])["models"]?.array ?? []).compactMap { $0.string }
  }

  public func modelMetadata(_ model: String, version: String? = nil) throws(ClientError) -> ClientModel {
    try ClientModel(try document(.get, ThimbleClient.path(model, version)))
  }

  /// The names of the classes; empty where the model has none.
  public func labels(_ model: String, version: String? = nil) throws(ClientError) -> [String] {
    let document = try document(.get, ThimbleClient.path(model, version) + ["config"])
    return (document["labels"]?.array ?? []).compactMap { $0.string }
  }

  /// The text of `/metrics`.
  public func metrics() throws(ClientError) -> String {
    String(decoding: try accepted(try call(.get, ["metrics"])).body, as: UTF8.self)
  }

  /// What each model holds of the daemon's memory budget.
  public func residents() throws(ClientError) -> ClientResidents {
    try ClientResidents(try document(.get, ["v2", "thimble", "models"]))
  }

  /// The same as the daemon writes it.
  public func residentsJSON() throws(ClientError) -> String {
    String(decoding: try accepted(try call(.get, ["v2", "thimble", "models"])).body, as: UTF8.self)
  }

  /// What the daemon does. It writes latencies down for a minute once it has been asked.
  public func activity() throws(ClientError) -> ClientActivity {
    try ClientActivity(try document(.get, ["v2", "thimble", "activity"]))
  }

  // MARK: The repository

  public func loadModel(_ model: String) throws(ClientError) {
    _ = try accepted(try call(.post, ["v2", "repository", "models", model, "load"], json: Array("{}".utf8)))
  }

  public func unloadModel(_ model: String) throws(ClientError) {
    _ = try accepted(try call(.post, ["v2", "repository", "models", model, "unload"], json: Array("{}".utf8)))
  }

  // MARK: Inference

  /// Runs a model; `outputs` empty: all of them, as tensors. Errors: besides the connection's, whatever the daemon
  /// refuses, in its words.
  public func infer(
    _ model: String, version: String? = nil, inputs: [ClientTensor], outputs: [InferenceOutputRequest] = [],
    timeoutMicros: Int = 0, id: String? = nil
  ) throws(ClientError) -> ClientResult {
    var parameters = InferenceParameters()
    parameters.binaryDataOutput = true
    parameters.timeoutMicros = timeoutMicros
    let reply = try withInputs(inputs) { (inputs) throws(ClientError) -> ClientConnection.Reply in
      let encoded = InferenceClientRequest(id: id, parameters: parameters, inputs: inputs, outputs: outputs).encoded()
      let head = HTTPClientRequestHead(
        method: .post, path: ThimbleClient.path(model, version) + ["infer"], contentLength: encoded.byteCount,
        contentType: encoded.contentType, inferenceHeaderContentLength: encoded.headerContentLength)
      return try withBytes(encoded.json) { (json) throws(ClientError) in
        try exchange(head, [json] + inputs.filter { $0.shared == nil }.map { $0.bytes })
      }
    }
    return try ClientResult(try accepted(reply))
  }

  /// The answer to a request that is JSON text, as JSON text.
  public func inferJSON(_ model: String, version: String? = nil, request: [UInt8]) throws(ClientError) -> [UInt8] {
    let reply = try accepted(try call(.post, ThimbleClient.path(model, version) + ["infer"], json: request))
    guard reply.head.inferenceHeaderContentLength == nil else {
      throw .refused(status: 400, message: "the request asks for binary data", retryAfterSeconds: nil)
    }
    return reply.body
  }

  /// Calls `body` with inputs that point at the tensors' bytes.
  private func withInputs<Result>(
    _ tensors: [ClientTensor], _ pointed: [InferenceClientRequest.Input] = [],
    _ body: ([InferenceClientRequest.Input]) throws(ClientError) -> Result
  ) throws(ClientError) -> Result {
    guard pointed.count < tensors.count else { return try body(pointed) }
    let tensor = tensors[pointed.count]
    return try withBytes(tensor.bytes) { (bytes) throws(ClientError) in
      let input = InferenceClientRequest.Input(
        name: tensor.name, elementType: tensor.elementType, shape: tensor.shape, bytes: bytes, shared: tensor.shared)
      return try withInputs(tensors, pointed + [input], body)
    }
  }

  // MARK: Shared memory

  /// Lets tensors of this client's requests be in `memory`. What has no name is passed again whenever a new connection is opened.
  public func share(_ memory: SharedMemory) throws(ClientError) {
    let head = ThimbleClient.registration(memory)
    let passing = memory.kind == .passed ? memory : nil
    _ = try accepted(
      try withBytes(memory.request.jsonBytes) { (bytes) throws(ClientError) in try exchange(head, [bytes], passing) })
    if let passing { passed.append(passing) }
  }

  /// Has the daemon let go of the memory.
  public func unshare(_ memory: SharedMemory) throws(ClientError) {
    passed.removeAll { $0 === memory }
    _ = try accepted(try call(.post, memory.path + ["region", memory.region, "unregister"], json: []))
  }

  private static func registration(_ memory: SharedMemory) -> HTTPClientRequestHead {
    HTTPClientRequestHead(
      method: .post, path: memory.path + ["region", memory.region, "register"],
      contentLength: memory.request.jsonBytes.count, contentType: HTTPResponseHead.json)
  }

  /// A refusal shows in the requests that name the region.
  private func passAgain(_ connection: inout ClientConnection) throws(ClientConnection.Failure) {
    for memory in passed {
      _ = try withBytes(memory.request.jsonBytes) { (bytes) throws(ClientConnection.Failure) in
        try connection.exchange(ThimbleClient.registration(memory), body: [bytes], passing: memory)
      }
    }
  }

  // MARK: Exchanges

  private static func path(_ model: String, _ version: String?) -> [String] {
    ["v2", "models", model] + (version.map { ["versions", $0] } ?? [])
  }

  private func document(_ method: HTTPMethod, _ path: [String]) throws(ClientError) -> JSON {
    try ThimbleClient.document(try accepted(try call(method, path)).body)
  }

  static func document(_ body: [UInt8]) throws(ClientError) -> JSON {
    do throws(ProtocolError) {
      return try withBytes(body) { (bytes) throws(ProtocolError) in try JSON(parsing: bytes) }
    } catch {
      throw .malformed(error)
    }
  }

  /// The reply, unless it is a refusal.
  private func accepted(_ reply: ClientConnection.Reply) throws(ClientError) -> ClientConnection.Reply {
    guard reply.head.statusCode != 200 else { return reply }
    let words = (try? ThimbleClient.document(reply.body))?["error"]?.string
    throw .refused(
      status: reply.head.statusCode, message: words ?? "status \(reply.head.statusCode)",
      retryAfterSeconds: reply.head.retryAfterSeconds)
  }

  private func call(
    _ method: HTTPMethod, _ path: [String], json: [UInt8]? = nil
  ) throws(ClientError) -> ClientConnection.Reply {
    let head = HTTPClientRequestHead(
      method: method, path: path, contentLength: json?.count, contentType: json == nil ? nil : HTTPResponseHead.json)
    return try withBytes(json ?? []) { (bytes) throws(ClientError) in try exchange(head, [bytes]) }
  }

  /// One request and its answer. A kept connection may have been closed meanwhile: then once more over a new one.
  private func exchange(
    _ head: HTTPClientRequestHead, _ body: [UnsafeRawBufferPointer], _ memory: SharedMemory? = nil
  ) throws(ClientError) -> ClientConnection.Reply {
    let isFirst = connection == nil
    do throws(ClientConnection.Failure) {
      return try exchangeOnce(head, body, memory)
    } catch {
      switch error {
      case .malformed(let error): throw .malformed(error)
      case .broken(let error): throw .disconnected(path: socketPath, error)
      case .noAnswer(let error):
        guard !isFirst else {
          // Only connecting has a subject.
          throw error.subject == socketPath
            ? .noServer(path: socketPath, error) : .disconnected(path: socketPath, error)
        }
      }
    }
    return try exchange(head, body, memory)
  }

  private func exchangeOnce(
    _ head: HTTPClientRequestHead, _ body: [UnsafeRawBufferPointer], _ memory: SharedMemory?
  ) throws(ClientConnection.Failure) -> ClientConnection.Reply {
    // Taken out and put back only after a whole exchange: what broke is not used again.
    var connection: ClientConnection
    if let kept = self.connection.take() {
      connection = kept
    } else {
      do {
        connection = try ClientConnection(path: socketPath, timeoutMilliseconds: timeoutMilliseconds)
      } catch {
        throw .noAnswer(error)
      }
      try passAgain(&connection)
    }
    let reply = try connection.exchange(head, body: body, passing: memory)
    if reply.head.keepsAlive { self.connection = consume connection }
    return reply
  }
}

/// `withUnsafeBytes` with typed throws.
func withBytes<Result, Failure: Error>(
  _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
) throws(Failure) -> Result {
  try bytes.withUnsafeBufferPointer { (buffer) throws(Failure) -> Result in try body(UnsafeRawBufferPointer(buffer)) }
}
