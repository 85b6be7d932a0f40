import Foundation
import Importing
import ModelFile
import TestSupport
import Testing

/// Files that are cut off, changed or meant ill give an error or a graph that the checks accept, never a crash.
@Suite struct HostileFileTests {
  /// One case of each kind of structure.
  static let files = [
    "CONV_2D.cases", "DEPTHWISE_CONV_2D.cases", "FULLY_CONNECTED.cases", "CONCATENATION.cases", "STRIDED_SLICE.cases",
    "PAD.cases", "MEAN.cases", "SPLIT_V.cases", "RESHAPE.cases", "SOFTMAX.cases", "RESIZE_BILINEAR.cases", "TILE.cases",
  ]

  @Test(arguments: files) func truncationAtEveryByte(_ file: String) throws {
    let model = try OperatorCases.read(file)[0].model
    for count in 0..<model.count { check(Array(model[..<count])) }
  }

  @Test(arguments: files) func mutation(_ file: String) throws {
    let cases = try OperatorCases.read(file).filter { $0.model.count < 4096 }
    var random = XorShift(seed(file))
    for round in 0..<1500 {
      var model = cases[round % cases.count].model
      for _ in 0...random.next() % 4 {
        let position = Int(random.next() % UInt64(model.count))
        switch random.next() % 4 {
        case 0: model[position] = UInt8(truncatingIfNeeded: random.next())
        case 1: model[position] ^= 1 << UInt8(random.next() % 8)
        case 2: model[position] = [0, 0xFF, 0x7F, 0x80][Int(random.next() % 4)]
        default:
          let value = [UInt32.max, 0x7FFF_FFFF, 0x8000_0000, 4, UInt32(model.count)][Int(random.next() % 5)]
          for byte in 0..<4 where position + byte < model.count {
            model[position + byte] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(byte)))
          }
        }
      }
      check(model)
    }
  }

  /// A graph that comes out has passed the graph check; an error has a message.
  private func check(_ file: [UInt8]) {
    do throws(ImportError) {
      let model = try importModel(file)
      #expect(model.payloads.count == model.graph.blobs.count)
      for (payload, blob) in zip(model.payloads, model.graph.blobs) { #expect(payload.count == blob.byteCount) }
    } catch {
      #expect(!error.message.isEmpty)
    }
  }
}
