import Importing
import ModelFile
import System
import TestSupport
import Testing

/// What is written is what is read: every field of every operation, every byte of every blob.
@Suite struct RoundTripTests {
  /// The graph in words, without the tiles, which the container adds.
  static func description(_ graph: Graph) -> String {
    var graph = graph
    for index in graph.blobs.indices { graph.blobs[index].tiles = [] }
    var text = ""
    dump(graph, to: &text)
    return text
  }

  static func payloads(_ file: borrowing ModelFile) throws -> [[UInt8]] {
    let decompressor = try #require(ZstdDecompressor())
    var payloads: [[UInt8]] = []
    for (index, blob) in file.graph.blobs.enumerated() {
      var payload: [UInt8] = []
      for tile in blob.tiles {
        let stored = file.mappedBytes(of: tile)
        try file.verify(stored, tile, of: index)
        var decoded = [UInt8](repeating: 0, count: tile.decodedByteCount)
        switch tile.encoding {
        case .raw: decoded = Array(stored)
        case .zstd: #expect(decoded.withUnsafeMutableBytes { decompressor.decompress(stored, into: $0) })
        }
        payload += decoded
      }
      payloads.append(payload)
    }
    return payloads
  }

  @Test(arguments: OperatorCases.files) func operators(_ file: String) throws {
    for item in try OperatorCases.read(file) {
      let model = try importModel(item.model)
      for compression in [ModelFileWriter.Compression.whereItSaves, .none] {
        let opened = try model.opened(compression)
        #expect(Self.description(opened.graph) == Self.description(model.graph), "\(item.name)")
        #expect(try Self.payloads(opened) == model.payloads, "\(item.name)")
      }
    }
  }

  @Test(arguments: SharedFiles.models) func models(_ path: String) throws {
    let model = try importModel(try SharedFiles.bytes(path))
    for compression in [ModelFileWriter.Compression.whereItSaves, .none] {
      let opened = try model.opened(compression)
      #expect(try Self.payloads(opened) == model.payloads)
      let tiles = opened.graph.blobs.flatMap(\.tiles)
      #expect(tiles.allSatisfy { $0.fileOffset % 64 == 0 })
      if compression == .none { #expect(tiles.allSatisfy { $0.encoding == .raw }) }
    }
  }

  @Test func compressionIsUsedWhereItSaves() throws {
    let model = try importModel(try SharedFiles.bytes(SharedFiles.digits))
    #expect(try model.fileBytes(.always).count < model.fileBytes(.none).count)
    // A small model is stored raw: a decoder takes more memory than it saves.
    let small = try model.opened(.whereItSaves).graph.blobs.flatMap(\.tiles)
    #expect(small.allSatisfy { $0.encoding == .raw })
    let tiles = try model.opened(.always).graph.blobs.flatMap(\.tiles)
    #expect(tiles.contains { $0.encoding == .zstd })
    for tile in tiles where tile.encoding == .zstd { #expect(tile.storedByteCount < tile.decodedByteCount) }
  }

  @Test func filesAppearWholeOrNotAtAll() throws {
    let folder = try TemporaryFolder()
    let model = try importModel(try SharedFiles.bytes(SharedFiles.digits))
    let path = folder.file("digits.thimble")
    _ = try ModelFileWriter.write(model.graph, payloads: model.payloads, to: path)
    #expect(try FileSystem.names(in: folder.path) == ["digits.thimble"])
    #expect(try ModelFile.open(path).byteCount == FileSystem.status(of: path).byteCount)
    // One payload too few: an error, nothing left behind, the old file as it was.
    #expect(throws: ModelFileError.self) {
      try ModelFileWriter.write(model.graph, payloads: [], to: path)
    }
    #expect(try FileSystem.names(in: folder.path) == ["digits.thimble"])
    _ = try ModelFile.open(path)
  }
}

@Suite struct XXH64Tests {
  /// Y. Collet's specification and python-xxhash's documentation.
  @Test(
    arguments: [
      ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
      ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
    ] as [(String, UInt64)])
  func knownVectors(_ text: String, _ hash: UInt64) {
    #expect(Array(text.utf8).withUnsafeBytes { xxh64($0) } == hash)
  }

  /// Unaligned starts and every length around the stripes give what a copy gives.
  @Test func placeDoesNotMatter() {
    var random = XorShift(5)
    let bytes = random.bytes(200)
    for start in 0..<9 {
      for count in 0..<130 {
        let copy = Array(bytes[start..<start + count])
        let direct = bytes.withUnsafeBytes { xxh64(UnsafeRawBufferPointer(rebasing: $0[start..<start + count])) }
        #expect(direct == copy.withUnsafeBytes { xxh64($0) })
      }
    }
  }
}
