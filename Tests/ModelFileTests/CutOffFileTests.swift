import Foundation
import Importing
import ModelFile
import System
import TestSupport
import Testing

/// A model file that is cut off while it is opened and read: an error that says so, or the whole file.
@Suite struct CutOffModelTests {
  /// Why reading failed; nil where it did not.
  private func failure(_ path: String) -> ModelFileError? {
    do throws(ModelFileError) {
      let file = try ModelFile.open(path)
      for (index, blob) in file.graph.blobs.enumerated() {
        for tile in blob.tiles {
          do throws(ModelFileError) { try file.verify(file.mappedBytes(of: tile), tile, of: index) } catch {
            throw file.cause(of: error)
          }
        }
      }
      try file.check()
    } catch {
      return error
    }
    return nil
  }

  @Test(.timeLimit(.minutes(2)), arguments: [ModelFileWriter.Compression.whereItSaves, .none])
  func cutOffWhileItIsRead(_ compression: ModelFileWriter.Compression) throws {
    let source = SharedFiles.models.first { $0.contains("mobilenet_v1") } ?? SharedFiles.digits
    let bytes = try SharedFiles.bytes(source)
    let whole = try bytes.withUnsafeBytes { try importTFLite($0, name: "cut") }.fileBytes(compression)
    let folder = try TemporaryFolder()
    var random = XorShift(7)
    for round in 0..<40 {
      let path = try folder.write("\(round)", whole)
      let pause = Int64(random.below(1 << (6 + round % 8)))
      let length = round % 3 * Mapping.pageByteCount
      let thread = try System.Thread {
        Futex().wait(while: 0, timeoutNanoseconds: 1 + pause * 1000)
        truncate(path, off_t(length))
      }
      let failure = failure(path)
      thread.join()
      switch failure {
      case nil, .changed, .wrongSize, .notAModel, .system: continue
      case let other?: Issue.record("round \(round): \(other.message)")
      }
    }
    #expect(failure(try folder.write("whole", whole)) == nil)
  }
}
