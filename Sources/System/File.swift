import CSystem

/// An open file descriptor, closed when it goes out of scope.
public struct File: ~Copyable, Sendable {
  public let descriptor: Int32
  public let path: String

  private init(descriptor: Int32, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  /// Opens without waiting, whatever `path` is: a named pipe that nobody writes to reads as empty.
  public init(reading path: String) throws(SystemError) {
    self.init(descriptor: try retrying("open", path) { thimble_open_read(path) }, path: path)
  }

  /// Creates or empties the file.
  public init(creating path: String, mode: UInt32 = 0o644) throws(SystemError) {
    self.init(descriptor: try retrying("create", path) { thimble_create_file(path, mode) }, path: path)
  }

  /// Opens a file of a directory; no link is followed out of it. Errors: `crossesDevices` where one leads there.
  public init(reading path: String, beneath directory: String) throws(SystemError) {
    let whole = directory + "/" + path
    do throws(SystemError) {
      self.init(descriptor: try retrying("open", whole) { thimble_open_beneath(directory, path) }, path: whole)
    } catch {
      guard error.code == SystemError.crossesDevices else { throw error }
      throw SystemError("follow the link out of its folder at", whole, code: error.code)
    }
  }

  /// Creates the file if need be; what is written goes to its end, each `write` in one piece.
  public init(appendingTo path: String, mode: UInt32 = 0o644) throws(SystemError) {
    self.init(descriptor: try retrying("open", path) { thimble_open_append(path, mode) }, path: path)
  }

  /// A file that lives in memory and has no name in the file system.
  public init(inMemory name: String) throws(SystemError) {
    self.init(descriptor: try retrying("create in memory", name) { thimble_create_memory_file(name) }, path: name)
  }

  /// A file in memory whose size stays as it is (F_SEAL_SHRINK, F_SEAL_GROW), to be passed to another process.
  public init(sealedInMemory name: String, byteCount: Int) throws(SystemError) {
    self.init(
      descriptor: try retrying("create in memory", name) {
        thimble_create_sealed_memory_file(name, Int64(byteCount))
      }, path: name)
  }

  /// Makes a file that only this user may open, under /dev/shm as shm_open does. Errors: `exists`.
  public init(creatingInMemoryAt path: String, byteCount: Int) throws(SystemError) {
    self.init(
      descriptor: try retrying("create", path) { thimble_create_in_memory_at(path, Int64(byteCount)) }, path: path)
  }

  /// Opens a file in memory (tmpfs) for reading and writing, without following a link or waiting. Errors: `notSupported` where it
  /// is on storage.
  public init(sharedAt path: String) throws(SystemError) {
    self.init(descriptor: try retrying("open", path) { thimble_open_in_memory(path) }, path: path)
  }

  /// Takes over a descriptor that another process has passed.
  public init(passed descriptor: Int32) { self.init(descriptor: descriptor, path: "passed descriptor") }

  /// What can no more be done to a file in memory.
  public struct Seals: OptionSet, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }
    public static let shrink = Seals(rawValue: 2)
    public static let write = Seals(rawValue: 8)
    public static let futureWrite = Seals(rawValue: 16)
  }

  /// Whether it is open for reading and writing.
  public var isWritable: Bool { thimble_is_writable(descriptor) }

  /// Errors: it is no memfd, or one of huge pages.
  public func seals() throws(SystemError) -> Seals {
    Seals(rawValue: try retrying("read the seals of", path) { thimble_seals(descriptor) })
  }

  /// Creates the file if need be, and locks it until it is closed or the process ends (flock). Errors: `wouldBlock` where
  /// it is locked already, be it by this process.
  public init(locking path: String, mode: UInt32 = 0o660) throws(SystemError) {
    self.init(descriptor: try retrying("lock", path) { thimble_open_locked(path, mode) }, path: path)
  }

  /// Makes the file that takes the place of `target` by a rename once it is whole: its neighbour, an empty `.part`, be there one that
  /// another has left half done; locked until it is closed. Errors: `exists` where a device or a folder is there; `wouldBlock` where
  /// somebody else is writing it.
  public static func partial(of target: String) throws(SystemError) -> File {
    if let status = try? FileSystem.status(of: target), !status.isRegular {
      throw SystemError("write over", target, code: SystemError.exists)
    }
    let operation: StaticString = "write, as somebody else does,"
    let path = target + ".part"
    let file = File(descriptor: try retrying(operation, path) { thimble_open_locked(path, 0o644) }, path: path)
    // Who had it before may have renamed it since it was opened: what is locked now is finished.
    let (mine, there) = (try file.status(), try FileSystem.status(of: path))
    guard mine.inode == there.inode, mine.device == there.device else {
      throw SystemError(operation, path, code: SystemError.wouldBlock)
    }
    try file.truncate(to: 0)
    return file
  }

  /// The same open file under another descriptor.
  public func duplicate() throws(SystemError) -> File {
    File(descriptor: try retrying("duplicate", path) { thimble_duplicate(descriptor) }, path: path)
  }

  deinit { _ = thimble_close(descriptor) }

  public func status() throws(SystemError) -> FileStatus {
    var status = thimble_file_status()
    _ = try retrying("examine", path) { thimble_status_of(descriptor, &status) }
    return FileStatus(status)
  }

  /// Fills the buffer from the current position as far as the file reaches; returns the bytes read.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
    var done = 0
    while done < buffer.count {
      let count = try retrying("read", path) {
        thimble_read(descriptor, buffer.baseAddress! + done, buffer.count - done)
      }
      if count == 0 { break }
      done += Int(count)
    }
    return done
  }

  /// Fills the buffer with the bytes from `offset` on. A file that ends before is an error (ENODATA).
  public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) {
    var done = 0
    while done < buffer.count {
      let count = try retrying("read", path) {
        thimble_read_at(descriptor, buffer.baseAddress! + done, buffer.count - done, Int64(offset + done))
      }
      guard count > 0 else { throw SystemError("read", path, code: 61 /* ENODATA */) }
      done += Int(count)
    }
  }

  public func write(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
    var done = 0
    while done < bytes.count {
      done += Int(
        try retrying("write", path) { thimble_write(descriptor, bytes.baseAddress! + done, bytes.count - done) })
    }
  }

  public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
    var done = 0
    while done < bytes.count {
      done += Int(
        try retrying("write", path) {
          thimble_write_at(descriptor, bytes.baseAddress! + done, bytes.count - done, Int64(offset + done))
        })
    }
  }

  /// Cuts the file off after so many bytes.
  public func truncate(to byteCount: Int) throws(SystemError) {
    _ = try retrying("cut", path) { thimble_truncate(descriptor, Int64(byteCount)) }
  }

  /// Lets the kernel's cache forget the file's bytes, as far as they are on storage.
  public func forgetCached() { _ = thimble_forget_cached(descriptor) }

  /// Waits until the bytes are on storage.
  public func synchronize() throws(SystemError) { _ = try retrying("flush", path) { thimble_sync(descriptor) } }

  /// The whole file, at most `limit` bytes of it; a longer one is an error (EFBIG).
  public static func bytes(of path: String, limit: Int) throws(SystemError) -> [UInt8] {
    try File(reading: path).bytes(limit: limit)
  }

  /// What stands from the current position on, at most `limit` bytes of it; more is an error (EFBIG).
  public func bytes(limit: Int) throws(SystemError) -> [UInt8] {
    var bytes: [UInt8] = []
    // Files under /proc and /sys say nothing of their size: read until the end.
    var capacity = max(4096, min(limit, try status().byteCount + 1))
    while true {
      let start = bytes.count
      bytes.append(contentsOf: repeatElement(0, count: capacity))
      let (buffer, count) = (start, capacity)
      let added = try bytes.withUnsafeMutableBufferPointer { (all) throws(SystemError) -> Int in
        try read(into: UnsafeMutableRawBufferPointer(start: all.baseAddress! + buffer, count: count))
      }
      bytes.removeLast(count - added)
      if bytes.count > limit { throw SystemError("read", path, code: 27 /* EFBIG */) }
      if added < count { return bytes }
      capacity = min(max(4096, bytes.count), limit - bytes.count + 1)
    }
  }
}

/// What the file system says of a path.
public struct FileStatus: Sendable {
  public let byteCount: Int
  public let modifiedNanoseconds: Int64
  public let device: UInt64
  public let inode: UInt64
  /// The owner's number.
  public let user: UInt32
  public let isDirectory: Bool
  public let isRegular: Bool
  public let isSocket: Bool

  init(_ status: thimble_file_status) {
    byteCount = Int(status.byte_count)
    modifiedNanoseconds = status.modified_nanoseconds
    device = status.device
    inode = status.inode
    user = status.user
    isDirectory = status.is_directory
    isRegular = status.is_regular
    isSocket = status.is_socket
  }
}

/// Operations on paths.
public enum FileSystem {
  public static func status(of path: String) throws(SystemError) -> FileStatus {
    var status = thimble_file_status()
    _ = try retrying("examine", path) { thimble_status(path, &status) }
    return FileStatus(status)
  }

  /// Names in a directory without `.` and `..`, in byte order.
  public static func names(in path: String) throws(SystemError) -> [String] {
    var code: Int32 = 0
    guard let directory = thimble_directory_open(path, &code) else { throw SystemError("list", path, code: code) }
    defer { thimble_directory_close(directory) }
    var names: [String] = []
    while true {
      var name: UnsafePointer<CChar>?
      if try retrying("list", path, { thimble_directory_next(directory, &name) }) == 0 { break }
      let text = String(cString: name!)
      if text != "." && text != ".." { names.append(text) }
    }
    return names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
  }

  public static func rename(_ from: String, to: String) throws(SystemError) {
    _ = try retrying("rename", from) { thimble_rename(from, to) }
  }

  public static func remove(_ path: String) throws(SystemError) {
    _ = try retrying("remove", path) { thimble_unlink(path) }
  }

  public static func removeDirectory(_ path: String) throws(SystemError) {
    _ = try retrying("remove", path) { thimble_remove_directory(path) }
  }

  /// Creates a directory; one that exists is fine.
  public static func createDirectory(_ path: String, mode: UInt32 = 0o755) throws(SystemError) {
    do throws(SystemError) {
      _ = try retrying("create directory", path) { thimble_create_directory(path, mode) }
    } catch {
      if error.code != SystemError.exists { throw error }
    }
  }
}
