import CSystem
import Foundation
import System
import Testing

/// A folder for one test's files, removed at the end.
final class Folder {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("thimble-system-\(UUID().uuidString)").path
  init() throws { try FileSystem.createDirectory(path) }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  func file(_ name: String) -> String { path + "/" + name }
}

extension File {
  /// As many bytes as there are, at most `count`.
  func bytes(_ count: Int) throws(SystemError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let read = try bytes.withUnsafeMutableBufferPointer { (buffer) throws(SystemError) -> Int in
      try self.read(into: UnsafeMutableRawBufferPointer(buffer))
    }
    return Array(bytes[..<read])
  }

  func write(_ bytes: [UInt8], at offset: Int? = nil) throws(SystemError) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(SystemError) in
      if let offset {
        try write(UnsafeRawBufferPointer(buffer), at: offset)
      } else {
        try write(UnsafeRawBufferPointer(buffer))
      }
    }
  }
}

/// The error that `body` throws.
func systemError(_ body: () throws(SystemError) -> Void) -> SystemError? {
  do { try body() } catch { return error }
  return nil
}

@Suite struct FileTests {
  @Test func writtenBytesAreRead() throws {
    let folder = try Folder()
    let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    do {
      let file = try File(creating: folder.file("a"))
      try file.write(bytes)
      try file.write([7, 8], at: 10)
      try file.synchronize()
      let byteCount = try file.status().byteCount
      #expect(byteCount == 100_000)
    }
    var expected = bytes
    (expected[10], expected[11]) = (7, 8)
    #expect(try File.bytes(of: folder.file("a"), limit: 100_000) == expected)
    #expect(
      systemError { () throws(SystemError) in _ = try File.bytes(of: folder.file("a"), limit: 99_999) }?.code == 27)
    let file = try File(reading: folder.file("a"))
    let parts = (try file.bytes(60_000), try file.bytes(60_000), try file.bytes(10))
    #expect(parts.0 + parts.1 == expected && parts.0.count == 60_000 && parts.2.isEmpty)
  }

  /// Files under /proc have no size.
  @Test func filesWithoutASizeAreReadWhole() throws {
    #expect(try File.bytes(of: "/proc/self/status", limit: 1 << 16).count > 500)
    #expect(try File.bytes(of: "/dev/null", limit: 10).isEmpty)
  }

  @Test(.timeLimit(.minutes(1))) func openingDoesNotWaitForAPipesWriter() throws {
    let folder = try Folder()
    #expect(mkfifo(folder.file("pipe"), 0o600) == 0)
    let isRegular = try File(reading: folder.file("pipe")).status().isRegular
    #expect(!isRegular)
    #expect(try File.bytes(of: folder.file("pipe"), limit: 10).isEmpty)
    // With a writer it is read as it comes.
    let writer = open(folder.file("pipe"), O_RDWR)
    defer { close(writer) }
    #expect(write(writer, "abc", 3) == 3)
    let file = try File(reading: folder.file("pipe"))
    #expect(fcntl(file.descriptor, F_GETFL) & O_NONBLOCK == 0)
    let bytes = try file.bytes(3)
    #expect(bytes == Array("abc".utf8))
  }

  @Test func locksAreHeldUntilTheFileIsClosed() throws {
    let folder = try Folder()
    do {
      let first = try File(locking: folder.file("lock"))
      let alone = try File.partial(of: folder.file("model"))
      let other = systemError { () throws(SystemError) in _ = try File.partial(of: folder.file("model")) }
      #expect(other?.code == SystemError.wouldBlock && other?.message.contains("model.part") == true)
      _ = consume alone
      let second = systemError { () throws(SystemError) in _ = try File(locking: folder.file("lock")) }
      #expect(second?.code == SystemError.wouldBlock)
      _ = consume first
    }
    #expect(systemError { () throws(SystemError) in _ = try File(locking: folder.file("lock")) } == nil)
    #expect(symlink(folder.file("lock"), folder.file("link")) == 0)
    #expect(systemError { () throws(SystemError) in _ = try File(locking: folder.file("link")) }?.code == ELOOP)
  }

  @Test(.timeLimit(.minutes(1))) func connectingAtOnceDoesNotWaitForAFullQueue() throws {
    let folder = try Folder()
    let path = folder.file("socket")
    let listener = try Socket(listeningAt: path, backlog: 1)
    var isFull = false
    var clients: [Client] = []
    for _ in 0..<10 where !isFull {
      let error = systemError { () throws(SystemError) in
        clients.append(Client(try Socket(connectingAtOnceTo: path)))
      }
      isFull = error?.code == SystemError.wouldBlock
    }
    #expect(isFull && !clients.isEmpty)
    _ = consume listener
    let refused = systemError { () throws(SystemError) in _ = try Socket(connectingAtOnceTo: path) }
    #expect(refused?.code == SystemError.connectionRefused)
  }

  private final class Client {
    let socket: Socket
    init(_ socket: consuming Socket) { self.socket = socket }
  }

  @Test func errorsNameThePathAndTheReason() throws {
    let folder = try Folder()
    let missing = systemError { () throws(SystemError) in _ = try File(reading: folder.file("none")) }
    #expect(missing?.isNotFound == true)
    #expect(missing?.message == "cannot open \(folder.file("none")): No such file or directory")
    #expect(
      systemError { () throws(SystemError) in _ = try File(creating: folder.path) }?.message
        == "cannot create \(folder.path): Is a directory")
  }

  @Test func directoriesAndNames() throws {
    let folder = try Folder()
    for name in ["b", "a", "ü", "B"] { _ = try File(creating: folder.file(name)) }
    try FileSystem.createDirectory(folder.file("d"))
    try FileSystem.createDirectory(folder.file("d"))
    #expect(try FileSystem.names(in: folder.path) == ["B", "a", "b", "d", "ü"])
    try FileSystem.rename(folder.file("a"), to: folder.file("c"))
    try FileSystem.remove(folder.file("b"))
    #expect(try FileSystem.names(in: folder.path) == ["B", "c", "d", "ü"])
    let status = try FileSystem.status(of: folder.file("d"))
    #expect(status.isDirectory && !status.isRegular && !status.isSocket)
    #expect(try FileSystem.status(of: folder.file("c")).isRegular)
    try FileSystem.removeDirectory(folder.file("d"))
    #expect(
      systemError { () throws(SystemError) in _ = try FileSystem.status(of: folder.file("d")) }?.isNotFound == true)
    #expect(
      systemError { () throws(SystemError) in _ = try FileSystem.names(in: folder.file("d")) }?.isNotFound == true)
    #expect(systemError { () throws(SystemError) in try FileSystem.remove(folder.file("d")) }?.isNotFound == true)
  }

  @Test func mappingsShowTheFile() throws {
    let file = try File(inMemory: "test")
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
    try file.write(bytes)
    let mapping = try Mapping(reading: file, byteCount: bytes.count)
    #expect(mapping.bytes.elementsEqual(bytes))

    mapping.releasePages(offset: 0, byteCount: bytes.count)
    #expect(mapping.bytes.elementsEqual(bytes))
    do {
      _ = try Mapping(reading: file, byteCount: 0)
      Issue.record("nothing was mapped")
    } catch {
      #expect(error.code == 22)
    }
  }

  @Test func zeroedMemoryIsWholePagesOfZeros() throws {
    let page = Mapping.pageByteCount
    let mapping = try Mapping(zeroed: page + 1)
    #expect(mapping.byteCount == 2 * page && mapping.bytes.allSatisfy { $0 == 0 })
    mapping.mutableBytes.initializeMemory(as: UInt8.self, repeating: 9)
    mapping.releasePages(offset: page, byteCount: 1)
    #expect(mapping.bytes[page - 1] == 9 && mapping.bytes[page] == 0 && mapping.bytes[2 * page - 1] == 0)
    #expect(try Mapping(zeroed: 0).byteCount == page)
    #expect(Mapping.roundedToPages(0) == 0 && Mapping.roundedToPages(1) == page && Mapping.roundedToPages(page) == page)
  }

  /// The one place that restarts interrupted calls.
  @Test func interruptedCallsAreTriedAgain() throws {
    var results: [Int32] = [-4, -4, -4, 17]
    #expect(try retrying("try") { results.removeFirst() } == 17)
    #expect(results.isEmpty)
    let error = systemError { () throws(SystemError) in _ = try retrying("try", "this") { Int32(-13) } }
    #expect(error == SystemError("try", "this", code: 13) && error?.message == "cannot try this: Permission denied")
    #expect(SystemError("wait", code: 4).message == "wait: Interrupted system call")
  }
}

@Suite struct ConsoleTests {
  @Test(arguments: [
    (1.0, 2, "1.00"), (-0.126, 2, "-0.13"), (1234.5, 0, "1234"), (0.1, 20, "0.10000000000000000555"), (0, 3, "0.000"),
  ]) func fixedDigits(_ value: Double, _ digits: Int, _ text: String) {
    #expect(Console.fixed(value, digits) == text)
  }

  @Test func hugeNumbersFit() {
    #expect(Console.fixed(.greatestFiniteMagnitude, 3).utf8.count == 309 + 4)
    #expect(Console.fixed(1e300, 300).utf8.count == 399)
  }
}
