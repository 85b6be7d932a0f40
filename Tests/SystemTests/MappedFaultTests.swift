import CSystem
import Foundation
import System
import Testing

/// Mapped files that cannot be read any more: zeros and a count instead of a dead process.
@Suite struct MappedFaultTests {
  private let page = Mapping.pageByteCount

  /// A file of so many pages, none of them zero.
  private func file(_ folder: Folder, pages: Int, _ name: String = "file") throws -> String {
    let path = folder.file(name)
    try File(creating: path).write((0..<pages * page).map { UInt8(truncatingIfNeeded: $0 % 251 + 1) })
    return path
  }

  @Test func aFileCutOffBecomesZeros() throws {
    let folder = try Folder()
    let path = try file(folder, pages: 8)
    let other = try Mapping(reading: try File(reading: try file(folder, pages: 8, "other")), byteCount: 8 * page)
    let mapping = try Mapping(reading: try File(reading: path), byteCount: 8 * page)
    #expect(mapping.bytes[5 * page] != 0 && mapping.faultCount == 0)
    try #require(truncate(path, page) == 0)
    errno = 77
    let byte = mapping.bytes[5 * page]
    let (code, count) = (errno, mapping.faultCount)
    #expect(byte == 0 && code == 77 && count == 1)
    // All of it is zero now: no page faults again.
    #expect(mapping.bytes.allSatisfy { $0 == 0 } && mapping.faultCount == 1)
    mapping.releasePages(offset: 0, byteCount: 8 * page)
    #expect(mapping.bytes[0] == 0 && mapping.faultCount == 1)
    #expect(other.bytes.allSatisfy { $0 != 0 } && other.faultCount == 0)
  }

  @Test func bytesAfterTheLastPageAreGuardedToo() throws {
    let folder = try Folder()
    let path = try file(folder, pages: 1)
    let mapping = try Mapping(reading: try File(reading: path), byteCount: page + 1)
    #expect(mapping.bytes[0] != 0 && mapping.faultCount == 0)
    #expect(mapping.base.load(fromByteOffset: 2 * page - 1, as: UInt8.self) == 0 && mapping.faultCount == 1)
  }

  @Test func countsStartAnewWithEachMapping() throws {
    let folder = try Folder()
    for round in 0..<3 {
      let path = try file(folder, pages: 2)
      let mapping = try Mapping(reading: try File(reading: path), byteCount: 2 * page)
      #expect(mapping.faultCount == 0 && mapping.bytes[page] != 0)
      try #require(truncate(path, 0) == 0)
      #expect(mapping.bytes[page] == 0 && mapping.faultCount == 1, "round \(round)")
    }
  }

  @Test func theConditionTellsWhatHappened() throws {
    let folder = try Folder()
    let path = try file(folder, pages: 4)
    var times = [timeval(tv_sec: 1_000_000_000, tv_usec: 0), timeval(tv_sec: 1_000_000_000, tv_usec: 0)]
    try #require(utimes(path, &times) == 0)
    do {
      let mapped = try MappedFile(try File(reading: path))
      #expect(mapped.byteCount == 4 * page && mapped.bytes.count == 4 * page && mapped.bytes[3 * page] != 0)
      // What others may do without harm: reading, renaming, another file in its place.
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == 4 * page)
      try FileSystem.rename(path, to: folder.file("renamed"))
      _ = try file(folder, pages: 4, "new")
      try FileSystem.rename(folder.file("new"), to: folder.file("renamed"))
      let condition = try mapped.condition()
      #expect(condition == .intact)
    }
    let other = try file(folder, pages: 4)
    try #require(utimes(other, &times) == 0)
    do {
      let mapped = try MappedFile(try File(reading: other))
      let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: other))
      try handle.write(contentsOf: Data([1]))
      let condition = try mapped.condition()
      #expect(condition == .changed(byteCount: 4 * page) && mapped.bytes[page] != 0)
    }
    try #require(utimes(other, &times) == 0)
    let mapped = try MappedFile(try File(reading: other))
    try #require(truncate(other, page) == 0)
    #expect(mapped.bytes[3 * page] == 0)
    let cut = try mapped.condition()
    #expect(cut == .changed(byteCount: page))
    // A disk that fails changes nothing but the bytes.
    try #require(truncate(other, 4 * page) == 0 && utimes(other, &times) == 0)
    let failed = try mapped.condition()
    #expect(failed == .unreadable)
  }

  @Test func emptyFilesHaveNoBytes() throws {
    let folder = try Folder()
    let mapped = try MappedFile(try File(reading: try file(folder, pages: 0)))
    let condition = try mapped.condition()
    #expect(mapped.bytes.isEmpty && mapped.byteCount == 0 && condition == .intact)
  }

  /// Threads fault in regions of their own while others come and go; each counts its own and no other's.
  @Test(.timeLimit(.minutes(1))) func manyThreadsFaultAtOnce() throws {
    let folder = try Folder()
    let wrong = Futex()
    let page = page
    let intact = try file(folder, pages: 2, "intact")
    let paths = try (0..<4).map { try file(folder, pages: 3, "\($0)") }
    let threads = try (0..<4).map { index in
      try System.Thread {
        for _ in 0..<300 {
          guard truncate(paths[index], 3 * page) == 0, let file = try? File(reading: paths[index]),
            let good = try? File(reading: intact), let mapping = try? Mapping(reading: file, byteCount: 3 * page),
            let other = try? Mapping(reading: good, byteCount: 2 * page)
          else {
            wrong.add(1)
            continue
          }
          if mapping.faultCount != 0 || truncate(paths[index], 0) != 0 { wrong.add(1) }
          if mapping.bytes[2 * page] != 0 || mapping.faultCount != 1 { wrong.add(1) }
          if other.bytes[page] == 0 || other.faultCount != 0 { wrong.add(1) }
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(wrong.load() == 0)
  }

  /// Many threads meet the same fault.
  @Test(.timeLimit(.minutes(1))) func manyThreadsMeetOneFault() throws {
    let folder = try Folder()
    let page = page
    for _ in 0..<20 {
      let path = try file(folder, pages: 16)
      let mapping = SharedMapping(try Mapping(reading: try File(reading: path), byteCount: 16 * page))
      let wrong = Futex()
      try #require(truncate(path, 0) == 0)
      let threads = try (0..<4).map { index in
        try System.Thread {
          for number in 0..<16 where mapping.mapping.bytes[(number + 4 * index) % 16 * page] != 0 { wrong.add(1) }
        }
      }
      for thread in threads { thread.join() }
      #expect(wrong.load() == 0 && (1...4).contains(mapping.mapping.faultCount))
    }
  }

  private final class SharedMapping: Sendable {
    let mapping: Mapping
    init(_ mapping: consuming Mapping) { self.mapping = mapping }
  }

  @Test func aFaultElsewhereEndsTheProcess() async {
    await #expect(processExitsWith: .signal(SIGBUS)) {
      let file = try File(inMemory: "short")
      try file.write([1])
      // The handler is there, and this mapping is not its own.
      let guarded = try Mapping(reading: file, byteCount: 1)
      var code: Int32 = 0
      let base = thimble_map_file(file.descriptor, 2 * Mapping.pageByteCount, &code)!
      _ = base.load(fromByteOffset: Mapping.pageByteCount, as: UInt8.self)
      _ = consume guarded
      exit(0)
    }
    await #expect(processExitsWith: .signal(SIGBUS)) {
      let file = try File(inMemory: "short")
      try file.write([1])
      let guarded = try Mapping(reading: file, byteCount: 1)
      raise(SIGBUS)
      _ = consume guarded
      exit(0)
    }
  }

  @Test func oneFileTooManyIsAnError() async {
    await #expect(processExitsWith: .exitCode(3)) {
      let file = try File(inMemory: "file")
      try file.write([1])
      var regions: [Int32] = []
      var bytes = [UInt8](repeating: 0, count: 1)
      for _ in 0..<1024 { regions.append(thimble_guard_region(&bytes, 1, false)) }
      guard regions == Array(0..<1024) else { exit(1) }
      let error = systemError { () throws(SystemError) in _ = try Mapping(reading: file, byteCount: 1) }
      guard error?.code == SystemError.tooManyFiles else { exit(2) }
      thimble_unguard_region(500)
      guard systemError({ () throws(SystemError) in _ = try Mapping(reading: file, byteCount: 1) }) == nil else {
        exit(4)
      }
      exit(3)
    }
  }
}
