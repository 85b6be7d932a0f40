import Signatures
import System

/// What stands in the repository, and when somebody has changed it. Owned by the event loop.
final class RepositoryWatch {
  /// A model's files as they were when they were looked at.
  struct Model: Equatable {
    let name: String
    var configuration: FileIdentity?
    var versions: [Version] = []
  }

  struct Version: Equatable {
    let number: Int
    let file: FileIdentity
    /// Where signatures are checked.
    let signature: FileIdentity?
  }

  private let directory: ModelDirectory
  private let notice: KernelNotice
  private var models: [Model] = []
  /// When to look; no time while nothing has happened.
  private(set) var dueNanoseconds = Int64.max
  private var firstNoticeNanoseconds = Int64.max

  /// How long nothing may happen before it is looked at, and how long at most it is put off.
  private static let quietNanoseconds: Int64 = 200_000_000
  private static let patienceNanoseconds: Int64 = 2_000_000_000

  /// Errors: the folder cannot be watched.
  init(_ directory: ModelDirectory) throws(ServingError) {
    do { notice = try KernelNotice(filesOf: directory.path) } catch { throw .repository(error) }
    self.directory = directory
    models = try look()
  }

  var descriptor: Int32 { notice.descriptor }

  func takeNotice(_ now: Int64) {
    notice.rearm()
    firstNoticeNanoseconds = min(firstNoticeNanoseconds, now)
    dueNanoseconds = min(
      now + RepositoryWatch.quietNanoseconds, firstNoticeNanoseconds + RepositoryWatch.patienceNanoseconds)
  }

  /// Names of models that are new or have changed, and of those that are gone, since the last time.
  func changes() -> (changed: [String], gone: [String]) {
    (dueNanoseconds, firstNoticeNanoseconds) = (Int64.max, Int64.max)
    let before = models
    do { models = try look() } catch {
      // What cannot be seen now is not gone.
      dueNanoseconds = Clock.nowNanoseconds + RepositoryWatch.patienceNanoseconds
      return ([], [])
    }
    return (
      models.filter { !before.contains($0) }.map { $0.name },
      before.filter { old in !models.contains { $0.name == old.name } }.map { $0.name }
    )
  }

  private func look() throws(ServingError) -> [Model] {
    watchFolders()
    var models: [Model] = []
    for name in try directory.models() {
      var model = Model(name: name, configuration: try identity(directory.configurationFile(of: name)))
      for number in try directory.versions(of: name) {
        let path = directory.file(of: name, version: number)
        guard let file = try identity(path) else { continue }
        let signature = try directory.trustedKeys == nil ? nil : identity(Signature.path(of: path))
        model.versions.append(Version(number: number, file: file, signature: signature))
      }
      if !model.versions.isEmpty || model.configuration != nil { models.append(model) }
    }
    return models
  }

  /// Before they are looked at, so that nothing happens unseen; also what is no model yet, as while it is copied. A folder of which
  /// the kernel watches no more changes unseen.
  private func watchFolders() {
    try? notice.add(filesOf: directory.path)
    let names = (try? FileSystem.names(in: directory.path)) ?? []
    for name in names.filter({ ModelDirectory.isPlainName($0) }).prefix(ServingLimits.modelsMax) {
      let folder = directory.path + "/" + name
      // A file among the models is no folder.
      guard (try? notice.add(filesOf: folder)) != nil else { continue }
      let versions = (try? FileSystem.names(in: folder))?.filter { ModelDirectory.version($0) != nil } ?? []
      for version in versions.prefix(ServingLimits.versionsMax) { try? notice.add(filesOf: folder + "/" + version) }
    }
  }

  private func identity(_ path: String) throws(ServingError) -> FileIdentity? {
    try directory.status(of: path).map { FileIdentity($0) }
  }
}

extension Server {
  func startWatchingRepository() {
    guard let watch else { return }
    try? poll.add(watch.descriptor, .readable, token: Server.repositoryToken)
  }

  var repositoryDueNanoseconds: Int64 { watch?.dueNanoseconds ?? Int64.max }

  /// Loads what is new or has changed and unloads what is gone. What does not load leaves in service what was.
  func followRepository(_ now: Int64) {
    guard let watch, now >= watch.dueNanoseconds else { return }
    let (changed, gone) = watch.changes()
    for name in gone {
      let job = UnloadJob(connection: 0, name: name, models: repository.loaded(name), residents: residents)
      guard scheduler.submit(job, limit: Int.max) else { continue }
      repository.unload(name)
    }
    do throws(ServingError) { try repository.scan() } catch { log.line(error.message, .error) }
    for name in changed { reload(name) }
  }
}
