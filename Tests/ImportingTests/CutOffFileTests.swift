import Foundation
import Importing
import System
import TestSupport
import Testing

/// A source that is cut off while it is mapped: pages become zeros at any moment, and the importer must bear it.
@Suite struct CutOffFileTests {
  /// Imports; what it says does not matter, only that it comes back.
  private func tryImport(_ mapped: borrowing MappedFile) {
    do throws(ImportError) {
      let byteCount = try importingByteCount(mapped.bytes, payloadBytesMax: 2 * mapped.byteCount)
      #expect(byteCount > 0)
      _ = try importTFLite(mapped.bytes, name: "cut", payloadBytesMax: 2 * mapped.byteCount)
    } catch {
      #expect(!error.message.isEmpty)
    }
  }

  @Test(arguments: SharedFiles.models.filter { !$0.contains("224") && !$0.contains("deeplab") })
  func cutOffBeforeItIsRead(_ path: String) throws {
    let folder = try TemporaryFolder()
    let bytes = try SharedFiles.bytes(path)
    let pages = (bytes.count - 1) / Mapping.pageByteCount
    for kept in Set([0, 1, pages / 2, pages]).sorted() {
      let copy = try folder.write("\(kept)", bytes)
      let mapped = try MappedFile(try File(reading: copy))
      try #require(truncate(copy, kept * Mapping.pageByteCount) == 0)
      tryImport(mapped)
      let condition = try mapped.condition()
      #expect(condition == .changed(byteCount: kept * Mapping.pageByteCount))
    }
  }

  @Test(.timeLimit(.minutes(2)), arguments: SharedFiles.models.filter { !$0.contains("deeplab") })
  func cutOffWhileItIsRead(_ path: String) throws {
    let folder = try TemporaryFolder()
    let bytes = try SharedFiles.bytes(path)
    var random = XorShift(seed(path))
    for round in 0..<12 {
      let copy = try folder.write("\(round)", bytes)
      let mapped = try MappedFile(try File(reading: copy))
      let pause = Int64(random.below(1 << (8 + 2 * (round % 8))))
      let thread = try System.Thread {
        Futex().wait(while: 0, timeoutNanoseconds: 1 + pause * 100)
        truncate(copy, 0)
      }
      tryImport(mapped)
      thread.join()
      let condition = try mapped.condition()
      #expect(condition == .changed(byteCount: 0))
    }
  }
}
