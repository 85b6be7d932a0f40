import Importing
import Memory
import ModelFile
import Runtime
import Synchronization
import System

@testable import Serving

/// A temporary directory with a model repository in it; removed when it goes away.
final class TestRepository: Sendable {
  let path: String
  var models: String { path + "/models" }
  var socket: String { path + "/socket" }

  private static let count = Atomic(0)

  init() throws {
    path = "/tmp/thimble-serving-\(Process.identifier)-\(Self.count.add(1, ordering: .relaxed).newValue)"
    TestRepository.remove(path)
    try FileSystem.createDirectory(path)
    try FileSystem.createDirectory(path + "/models")
  }

  deinit { TestRepository.remove(path) }

  private static func remove(_ path: String) {
    guard let status = try? FileSystem.status(of: path) else { return }
    guard status.isDirectory else {
      try? FileSystem.remove(path)
      return
    }
    for name in (try? FileSystem.names(in: path)) ?? [] { remove(path + "/" + name) }
    try? FileSystem.removeDirectory(path)
  }

  /// The digits network of this project, imported once.
  static let digits = Result { try imported() }

  private static func imported() throws -> ImportedModel {
    let bytes = try File.bytes(of: projectFile("models/digits/digits.tflite"), limit: 1 << 20)
    return try bytes.withUnsafeBytes { try importTFLite($0, name: "digits") }
  }

  private static func projectFile(_ path: String) -> String {
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/" + path
  }

  /// The labelled held-out pictures, 64 bytes each.
  static func picture(_ index: Int) throws -> [UInt8] {
    let bytes = try File.bytes(of: projectFile("models/digits/heldout.bin"), limit: 1 << 20)
    return Array(bytes[(20 + 64 * index)..<(84 + 64 * index)])
  }

  func write(_ text: String, to file: String) throws { try write(Array(text.utf8), to: file) }

  func write(_ bytes: [UInt8], to file: String) throws {
    let file = try File(creating: path + "/" + file)
    try bytes.withUnsafeBytes { try file.write($0) }
  }

  /// `input`: what the network's input is called instead.
  func addModel(
    _ name: String = "digits", version: Int = 1, configuration: String? = nil, input: String? = nil
  ) throws {
    var model = try TestRepository.digits.get()
    if let input { model.graph.tensors[model.graph.inputs[0]].name = input }
    try FileSystem.createDirectory(models + "/" + name)
    try FileSystem.createDirectory(models + "/" + name + "/\(version)")
    _ = try ModelFileWriter.write(
      model.graph, payloads: model.payloads, to: models + "/" + name + "/\(version)/model.thimble")
    if let configuration { try write(configuration, to: "models/" + name + "/config.json") }
  }

  /// A model that a test has made.
  func add(_ model: ImportedModel, as name: String, version: Int = 1, configuration: String? = nil) throws {
    try FileSystem.createDirectory(models + "/" + name)
    try FileSystem.createDirectory(models + "/" + name + "/\(version)")
    _ = try ModelFileWriter.write(
      model.graph, payloads: model.payloads, to: models + "/" + name + "/\(version)/model.thimble")
    if let configuration { try write(configuration, to: "models/" + name + "/config.json") }
  }

  /// A model that is only a configuration.
  func addEnsemble(_ name: String, _ configuration: String) throws {
    try FileSystem.createDirectory(models + "/" + name)
    try write(configuration, to: "models/" + name + "/config.json")
  }

  static let digitLabels = #"{"labels":["zero","one","two","three","four","five","six","seven","eight","nine"]}"#
}

/// A server on a thread of its own.
final class TestServer {
  let server: Server
  let repository: TestRepository
  let budget: MemoryBudget
  private let thread: Thread
  private let ending = Futex(99)
  private var isJoined = false

  init(
    _ repository: TestRepository, budgetBytes: Int = 256 << 20, threadCount: Int = 1, budget given: MemoryBudget? = nil,
    change: (inout ServerConfiguration) -> Void = { _ in }
  ) throws {
    var configuration = ServerConfiguration(
      socketPath: repository.socket, modelsDirectory: repository.models, version: "test")
    configuration.isQuiet = true
    // Whatever goes on in this machine's memory is not the test's.
    configuration.systemRoot = repository.path + "/system"
    change(&configuration)
    let budget = given ?? MemoryBudget(limitByteCount: budgetBytes)
    let pool = try ThreadPool(threadCount: threadCount, budget: budget)
    let server = try Server(configuration, kernels: .best, pool: pool, budget: budget)
    try server.start()
    let ending = ending
    thread = try Thread(stackByteCount: 1 << 20) {
      switch try? server.run() {
      case .drained: ending.store(0)
      case .cut: ending.store(1)
      case nil: ending.store(2)
      }
    }
    self.server = server
    self.budget = budget
    self.repository = repository
  }

  deinit {
    guard !isJoined else { return }
    server.stop()
    server.stop()
    thread.join()
  }

  /// Waits until the server has stopped; whether every request was answered.
  func join() -> Bool {
    thread.join()
    isJoined = true
    return ending.load() == 0
  }

  /// Keeps the worker busy until the gate opens.
  func block() -> Gate {
    let gate = Gate()
    _ = server.scheduler.submit(GateJob(gate), limit: 1000)
    while gate.entered.load() == 0 { gate.entered.wait(while: 0, timeoutNanoseconds: 1_000_000) }
    return gate
  }

  func wait(until condition: () -> Bool) -> Bool {
    let start = Clock.nowNanoseconds
    while !condition() {
      if Clock.nowNanoseconds - start > 5_000_000_000 { return false }
      Futex().wait(while: 0, timeoutNanoseconds: 1_000_000)
    }
    return true
  }
}

final class Gate: Sendable {
  let entered = Futex()
  private let opened = Futex()

  func open() {
    opened.store(1)
    opened.wakeAll()
  }

  func pass() {
    entered.store(1)
    entered.wakeAll()
    while opened.load() == 0 { opened.wait(while: 0) }
  }
}

/// A job that takes as long as a test wants.
final class GateJob: QueuedJob, @unchecked Sendable {
  private let gate: Gate

  init(_ gate: Gate) {
    self.gate = gate
    super.init(connection: 0)
  }

  override func run() { gate.pass() }
}
