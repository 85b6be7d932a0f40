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

  /// Tells whether a path still names the same unchanged file.
  struct FileIdentity: Equatable, Sendable {
    let device: UInt64
    let inode: UInt64
    let byteCount: Int
    let modifiedNanoseconds: Int64

    init(_ status: FileStatus) {
      device = status.device
      inode = status.inode
      byteCount = status.byteCount
      modifiedNanoseconds = status.modifiedNanoseconds
    }
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
    self.configuration = configuration
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
      switch error {
      case .memory(let error): throw .memory(error)
      case .file(let error): throw .modelFile(path: opened.path, error)
      }
    }
  }
}
