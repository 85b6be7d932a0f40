import Protocols
import System

/// Memory that this process shares with a daemon, for tensors that are to stand still: inputs are written to `bytes`, outputs read
/// there. Give it to `ThimbleClient.share` first.
public final class SharedMemory {
  /// What requests call it.
  public let region: String
  let kind: SharedMemoryKind
  let request: SharedMemoryRequest
  let file: File
  private let mapping: Mapping
  /// Of the object that goes with this one; nil where it has no name.
  private let objectPath: String?

  /// Memory without a name, whose descriptor goes over the connection: nobody else can reach it, and nothing is left of it when
  /// the client ends.
  public convenience init(region: String, byteCount: Int) throws(ClientError) {
    let file: File
    do { file = try File(sealedInMemory: region, byteCount: byteCount) } catch { throw .memory(error) }
    try self.init(region, .passed, SharedMemoryRequest(byteCount: byteCount), file, path: nil)
  }

  /// A POSIX shared memory object, as Triton's clients make, to be found under `key` by other processes; it is removed when this
  /// goes away. Errors: there is one.
  public convenience init(region: String, key: String, byteCount: Int) throws(ClientError) {
    let path = "/dev/shm/" + key
    let file: File
    do { file = try File(creatingInMemoryAt: path, byteCount: byteCount) } catch { throw .memory(error) }
    try self.init(region, .system, SharedMemoryRequest(key: key, byteCount: byteCount), file, path: path)
  }

  private init(
    _ region: String, _ kind: SharedMemoryKind, _ request: SharedMemoryRequest, _ file: consuming File, path: String?
  ) throws(ClientError) {
    do throws(SystemError) {
      mapping = try Mapping(sharing: file, offset: 0, byteCount: request.byteCount, isWritable: true)
    } catch {
      if let path { try? FileSystem.remove(path) }
      throw .memory(error)
    }
    self.region = region
    self.kind = kind
    self.request = request
    self.file = file
    objectPath = path
  }

  deinit { if let objectPath { try? FileSystem.remove(objectPath) } }

  /// Zeros at first. The daemon reads and writes them while it answers a request that names them.
  public var bytes: UnsafeMutableRawBufferPointer { mapping.mutableBytes }

  /// The place of a tensor. The daemon refuses one that lies outside.
  public func reference(offset: Int, byteCount: Int) -> SharedMemoryReference {
    SharedMemoryReference(region: region, offset: offset, byteCount: byteCount)
  }

  var path: [String] { kind == .system ? ["v2", "systemsharedmemory"] : ["v2", "thimble", "memory"] }
}
