import Memory
import Protocols
import System

/// The regions that clients have registered. Each sees its own user's, and those that came over its own connection.
final class SharedRegions: @unchecked Sendable {
  /// Who asks.
  struct Client: Sendable {
    let user: UInt32?
    let connection: UInt64

    /// Who sees no region.
    static let nobody = Client(user: nil, connection: 0)
  }

  /// Where the kernel keeps the objects that shm_open makes.
  static let directory = "/dev/shm"

  private let budget: MemoryBudget
  private let lock = Lock()
  /// Guarded by `lock`: the worker looks regions up too.
  private var regions: [SharedRegion] = []

  init(budget: MemoryBudget) { self.budget = budget }

  // MARK: Registering

  /// Maps the object of the request's key. Errors: it is not the client's, too short, no object in memory, or too large for the
  /// budget.
  func register(_ name: String, _ request: SharedMemoryRequest, for client: Client) throws(ServingError) {
    guard let user = client.user else { throw .sharedMemory(.userUnknown) }
    do { try check(name, request, client) } catch { throw .sharedMemory(error) }
    guard let key = request.key else { throw .sharedMemory(.keyMissing) }
    add(
      try SharedRegion(
        name: name, request: request, owner: .init(user: user, connection: nil),
        file: try SharedRegions.object(key, of: user), isWritable: true, budget: budget))
  }

  private static func object(_ key: String, of user: UInt32) throws(ServingError) -> File {
    // As shm_open has it, with a slash in front or without.
    let plain = key.utf8.first == UInt8(ascii: "/") ? String(key.dropFirst()) : key
    guard SharedRegions.isPlainName(plain) else { throw .sharedMemory(.keyInvalid(key)) }
    let file = try opened(directory + "/" + plain)
    guard let status = try? file.status(), status.isRegular else { throw .sharedMemory(.notRegular(key: key)) }
    guard status.user == user else { throw .sharedMemory(.notOwned(key: key)) }
    return file
  }

  /// Maps a file that the client has passed. Errors: it is no memfd sealed against shrinking, too short or too large.
  func register(
    _ name: String, _ request: SharedMemoryRequest, passed file: borrowing File, for client: Client
  ) throws(ServingError) {
    do { try check(name, request, client) } catch { throw .sharedMemory(error) }
    guard let seals = try? file.seals() else { throw .sharedMemory(.notSealable) }
    guard seals.contains(.shrink) else { throw .sharedMemory(.notSealed) }
    let request = SharedMemoryRequest(offset: request.offset, byteCount: request.byteCount)
    let isWritable = seals.isDisjoint(with: [.write, .futureWrite]) && file.isWritable
    add(
      try SharedRegion(
        name: name, request: request, owner: .init(user: client.user, connection: client.connection), file: file,
        isWritable: isWritable, budget: budget))
  }

  private static func opened(_ path: String) throws(ServingError) -> File {
    do { return try File(sharedAt: path) } catch { throw .sharedMemory(.notOpened(error)) }
  }

  private static func isPlainName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && name.utf8.count <= ServingLimits.nameBytesMax
      && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
  }

  private func check(_ name: String, _ request: SharedMemoryRequest, _ client: Client) throws(SharedMemoryError) {
    guard request.byteCount > 0 else { throw .sizeZero }
    guard name.utf8.count <= ServingLimits.regionNameBytesMax else {
      throw .nameTooLong(limit: ServingLimits.regionNameBytesMax)
    }
    let regions = lock.withLock { self.regions }
    guard !regions.contains(where: { $0.name == name && $0.isVisible(to: client) }) else {
      throw .nameTaken(region: name)
    }
    let owned = regions.count { $0.owner.user == client.user }
    guard regions.count < ServingLimits.regionsMax else { throw .tooMany(limit: ServingLimits.regionsMax) }
    guard owned < ServingLimits.userRegionsMax else { throw .tooMany(limit: ServingLimits.userRegionsMax) }
    let limit = budget.limitByteCount / 2
    let held = budget.reservedByteCount(for: .regions)
    guard held <= limit, request.byteCount <= limit - held else { throw .tooManyBytes(limit: limit) }
  }

  /// Bytes of a user's regions.
  func byteCount(of user: UInt32?) -> Int {
    lock.withLock { regions.reduce(0) { $0 + ($1.owner.user == user ? $1.request.byteCount : 0) } }
  }

  private func add(_ region: SharedRegion) { lock.withLock { regions.append(region) } }

  /// Forgets a region of the client's, or all; none is no error.
  func unregister(_ kind: SharedMemoryKind, _ name: String?, for client: Client) {
    let gone = lock.withLock {
      let all = regions
      regions.removeAll { $0.isOf(kind) && $0.isVisible(to: client) && name ?? $0.name == $0.name }
      return all
    }
    // Unmapping takes time: not under the lock.
    withExtendedLifetime(gone) {}
  }

  /// Forgets what came over a connection.
  func close(_ connection: UInt64) {
    let gone = lock.withLock {
      guard regions.contains(where: { $0.owner.connection == connection }) else { return [SharedRegion]() }
      let all = regions
      regions.removeAll { $0.owner.connection == connection }
      return all
    }
    withExtendedLifetime(gone) {}
  }

  // MARK: Looking up

  /// Errors: nobody has registered the region for this client.
  func region(_ name: String, for client: Client) throws(SharedMemoryError) -> SharedRegion {
    guard let region = lock.withLock({ regions.first { $0.name == name && $0.isVisible(to: client) } }) else {
      throw .unknown(region: name)
    }
    return region
  }

  /// Errors: the region that is named is not there.
  func status(
    _ kind: SharedMemoryKind, _ name: String?, for client: Client
  ) throws(SharedMemoryError) -> SharedMemoryStatus {
    let visible = lock.withLock {
      regions.filter { $0.isOf(kind) && $0.isVisible(to: client) && name ?? $0.name == $0.name }
    }
    if let name, visible.isEmpty { throw .unknown(region: name) }
    return SharedMemoryStatus(regions: visible.map { .init(name: $0.name, request: $0.request) })
  }

  var count: Int { lock.withLock { regions.count } }
}

extension SharedRegion {
  fileprivate func isOf(_ kind: SharedMemoryKind) -> Bool { (owner.connection == nil) == (kind == .system) }

  fileprivate func isVisible(to client: SharedRegions.Client) -> Bool {
    if let connection = owner.connection { return connection == client.connection }
    return owner.user == client.user
  }
}
