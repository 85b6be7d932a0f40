#if THIMBLE_SIGNATURES
  import System
  import Testing

  @testable import Signatures

  @Suite struct FileCheckTests {
    private func error(
      _ bytes: [UInt8] = Sample.file, _ signature: String = Sample.signature, keys: String = Sample.keyFile
    ) throws -> SignatureError? {
      let file = try File(inMemory: "signed")
      try bytes.withUnsafeBytes { try file.write($0, at: 0) }
      var trusted = TrustedKeys()
      try trusted.add(parsing: Array(keys.utf8))
      do throws(SignatureError) {
        let parsed = try Signature(parsing: Array(signature.utf8))
        try FileCheck().check(file, byteCount: bytes.count, parsed, by: trusted)
      } catch {
        return error
      }
      return nil
    }

    @Test func whatMinisignSignedIsTaken() throws {
      #expect(try error() == nil)
      // Another key of the same identifier is tried too.
      #expect(try error(keys: Sample.key.dropLast() + "K\n" + Sample.key) == nil)
    }

    @Test func changesAreNoticed() throws {
      for bit in 0..<8 * Sample.file.count {
        var bytes = Sample.file
        bytes[bit / 8] ^= 1 << (bit % 8)
        #expect(try error(bytes) == .mismatch)
      }
      #expect(try error([]) == .mismatch && error(Sample.file + [0]) == .mismatch)
      #expect(try error(Sample.file, Sample.signature.replacing("a comment", with: "b comment")) == .commentMismatch)
      #expect(try error(keys: Sample.key.dropLast() + "K") == .mismatch)
    }
  }
#endif
