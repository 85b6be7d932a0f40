import Memory
import ModelFile
import Runtime
import System

/// One version of a model, ready to run. The last reference gives its memory back.
final class LoadedModel: @unchecked Sendable {
  let name: String
  let version: Int
  let session: Session
  let configuration: ModelConfiguration
  /// Bytes of the budget that it holds.
  let byteCount: Int
  /// What the file was when it was read: a reload of the same file is nothing to do.
  let file: FileIdentity
  private let labelMemory: MemoryBudget.Reservation
  private let path: String
  let fileFault = FileFault()

  /// What became of the file after loading, as far as somebody has met it: from then on no request succeeds until the model is
  /// loaded again. It outlives the model in jobs that are done.
  final class FileFault: @unchecked Sendable {
    /// The worker's alone.
    var met: ServingError?
    /// The event loop's alone: it learns of it with a request's answer, or when asked for readiness.
    var reported: ServingError?
  }

  init(
    name: String, version: Int, path: String, configuration: ModelConfiguration, kernels: Kernels, pool: ThreadPool,
    budget: MemoryBudget
  ) throws(ServingError) {
    // What is examined is what is opened: the path may name another file a moment later.
    let opened: File
    do { opened = try File(reading: path) } catch { throw .repository(error) }
    let status: FileStatus
    do { status = try opened.status() } catch { throw .repository(error) }
    guard status.isRegular else { throw .notAFile(path: path) }
    file = FileIdentity(status)
    labelMemory = try LoadedModel.reserveLabels(configuration.labels, budget)
    (session, byteCount) = try LoadedModel.open(opened, kernels, pool, budget)
    self.name = name
    self.version = version
    self.path = path
    self.configuration = configuration
  }

  /// Whether what the session computes is worth anything: asked by the worker before and after every run.
  ///
  /// - Throws: that the file was changed or could not be read since it was loaded; from then on always.
  func checkFile() throws(ServingError) {
    if let met = fileFault.met { throw met }
    do { try session.checkFile() } catch {
      let met = ServingError(error, path: path)
      fileFault.met = met
      throw met
    }
  }

  /// The same, asked by the event loop for a client that wants to know whether the model is ready.
  func checkReadiness() throws(ServingError) {
    if let reported = fileFault.reported { throw reported }
    do { try session.checkFile() } catch {
      let reported = ServingError(error, path: path)
      fileFault.reported = reported
      throw reported
    }
  }

  /// A string of over 15 bytes takes an allocation of its own.
  private static func reserveLabels(
    _ labels: [String], _ budget: MemoryBudget
  ) throws(ServingError) -> MemoryBudget.Reservation {
    let byteCount = labels.reduce(0) { $0 + 16 + ($1.utf8.count > 15 ? $1.utf8.count + 48 : 0) }
    do { return try budget.reserve(byteCount, for: .metadata) } catch { throw .memory(error) }
  }

  private static func open(
    _ opened: borrowing File, _ kernels: Kernels, _ pool: ThreadPool, _ budget: MemoryBudget
  ) throws(ServingError) -> (Session, byteCount: Int) {
    do throws(SessionError) {
      let file: ModelFile
      do { file = try ModelFile.open(opened, budget: budget) } catch { throw SessionError(error) }
      let session = try Session(file, kernels: kernels, pool: pool, budget: budget)
      return (session, session.floorByteCount + session.cacheByteCount)
    } catch {
      throw ServingError(error, path: opened.path)
    }
  }
}

extension ServingError {
  /// What is wrong with the model at `path`.
  fileprivate init(_ error: SessionError, path: String) {
    switch error {
    case .memory(let error): self = .memory(error)
    case .file(let error): self = .modelFile(path: path, error)
    }
  }
}
