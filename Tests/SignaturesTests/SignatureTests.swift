import System
import Testing

@testable import Signatures

@Suite struct SignatureTests {
  private func error(_ text: String) -> SignatureError? { error(Array(text.utf8)) }

  private func error(_ bytes: [UInt8]) -> SignatureError? {
    do throws(SignatureError) { _ = try Signature(parsing: bytes) } catch { return error }
    return nil
  }

  @Test func whatMinisignWritesIsRead() throws {
    let signature = try Signature(parsing: Array(Sample.signature.utf8))
    #expect(signature.key.text == "36FA39271398E13D")
    #expect(signature.trustedComment == Array("a comment".utf8))
    #expect(signature.fileSignature.prefix(3) == [0x96, 0xA3, 0xEB] && signature.fileSignature.count == 64)
    #expect(signature.commentSignature.prefix(2) == [0x73, 0x09] && signature.commentSignature.count == 64)
    #expect(signature.signedComment == signature.fileSignature + signature.trustedComment)
    let ofDOS = Sample.signature.split(separator: "\n").joined(separator: "\r\n")
    #expect(try Signature(parsing: Array(ofDOS.utf8)).trustedComment == signature.trustedComment)
  }

  @Test func whatIsSignedWithoutHashingIsRefused() {
    #expect(error(Sample.signatureOfTheFileItself) == .notHashed)
  }

  /// A signature cut off anywhere is none, but for its last line's end.
  @Test func truncatedSignaturesAreRefused() {
    let bytes = Array(Sample.signature.utf8)
    for count in 0..<bytes.count - 1 { #expect(error(Array(bytes.prefix(count))) == .noSignature, "\(count) bytes") }
    #expect(error(Array(bytes.dropLast())) == nil)
  }

  @Test func linesOfOtherLengthsAreRefused() {
    let lines = Sample.signature.split(separator: "\n").map(String.init)
    for index in [1, 3] {
      for line in [
        "", "=", "AAAA", lines[index] + "=", lines[index] + "AAAA", String(lines[index].dropLast()), "A" + lines[index],
        String(lines[index].dropLast(4)), lines[index] + " ", " " + lines[index],
      ] {
        var changed = lines
        changed[index] = line
        #expect(error(changed.joined(separator: "\n")) == .noSignature, "\(line)")
      }
    }
    #expect(error(Sample.signature + "more\n") == .noSignature)
    #expect(error(lines.dropFirst().joined(separator: "\n")) == .noSignature)
    #expect(error(Sample.signature + "\n\r\n") == nil)
  }

  /// Each byte replaced by each other one: what is still a signature has another comment, or other bytes in it. Only the
  /// untrusted comment and the last line's end say nothing.
  @Test func everyByteCounts() throws {
    let bytes = Array(Sample.signature.utf8)
    let original = try Signature(parsing: bytes)
    let untrusted = 19..<(try #require(bytes.firstIndex(of: 0x0A)))
    for index in bytes.indices.dropLast() where !untrusted.contains(index) {
      for byte in UInt8.min...UInt8.max where byte != bytes[index] {
        var changed = bytes
        changed[index] = byte
        guard let signature = try? Signature(parsing: changed) else { continue }
        let isAlike =
          signature.key == original.key && signature.signedComment == original.signedComment
          && signature.commentSignature == original.commentSignature
        #expect(!isAlike, "byte \(index) as \(byte)")
      }
    }
  }

  @Test func hugeFilesAreRefused() {
    let limit = Signature.fileBytesMax
    let lines = Sample.signature.split(separator: "\n").map(String.init)
    let comment = "untrusted comment: " + String(repeating: "x", count: limit)
    #expect(error([comment, lines[1], lines[2], lines[3]].joined(separator: "\n")) == .tooLong(limit: limit))
    #expect(error([UInt8](repeating: 0x0A, count: limit)) == .noSignature)
    #expect(error([UInt8](repeating: 0x0D, count: limit)) == .noSignature)
    #expect(error([UInt8](repeating: 0xFF, count: limit)) == .noSignature)
    let trusted = "trusted comment: " + String(repeating: "x", count: 8192)
    #expect(error([lines[0], lines[1], trusted, lines[3]].joined(separator: "\n")) == nil)
  }

  @Test func base64HasOneSpelling() {
    func decoded(_ text: String, _ byteCount: Int) -> [UInt8]? {
      SignatureText.base64(Array(text.utf8)[...], byteCount: byteCount)
    }
    #expect(decoded("AQI=", 2) == [1, 2] && decoded("AQ==", 1) == [1] && decoded("AQID", 3) == [1, 2, 3])
    // Bits that are none of the bytes.
    #expect(decoded("AQJ=", 2) == nil && decoded("AR==", 1) == nil)
    #expect(decoded("AQI", 2) == nil && decoded("AQIA", 2) == nil && decoded("AQI=", 1) == nil)
    #expect(decoded("A=I=", 2) == nil && decoded("A===", 1) == nil && decoded("====", 1) == nil)
    #expect(decoded("AQ-_", 3) == nil && decoded("AQ\u{E9}", 3) == nil && decoded("", 3) == nil)
  }

  @Test func aFileIsReadOnce() throws {
    let file = try File(inMemory: "signature")
    try Array(Sample.signature.utf8).withUnsafeBytes { try file.write($0, at: 0) }
    #expect(try Signature(reading: file).key.text == "36FA39271398E13D")
    try file.truncate(to: Signature.fileBytesMax + 1)
    #expect(throws: SignatureError.tooLong(limit: Signature.fileBytesMax)) { try Signature(reading: file) }
    #expect(throws: SignatureError.notAFile) { try Signature(reading: File(reading: "/dev/null")) }
  }
}
