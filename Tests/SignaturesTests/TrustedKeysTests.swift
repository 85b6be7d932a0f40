import Testing

@testable import Signatures

@Suite struct TrustedKeysTests {
  private func keys(_ text: String) throws(SignatureError) -> [PublicKey] {
    var trusted = TrustedKeys()
    try trusted.add(parsing: Array(text.utf8))
    return trusted.keys
  }

  @Test func whatMinisignWritesIsRead() throws {
    let found = try keys(Sample.keyFile)
    #expect(found.map { $0.identifier.text } == ["36FA39271398E13D"])
    #expect(found[0].bytes.prefix(3) == [0x58, 0x95, 0xE6] && found[0].bytes.count == 32)
    #expect(try keys(Sample.key) == found && keys("\n\(Sample.key)\r\n\n") == found)
  }

  @Test func severalFilesMayStandInOne() throws {
    // The same identifier, another key.
    let other = Sample.key.dropLast() + "K"
    let found = try keys(Sample.keyFile + "untrusted comment: another\n\(other)\n")
    #expect(found.count == 2 && found[0] != found[1])
    var trusted = TrustedKeys()
    try trusted.add(parsing: Array(Sample.keyFile.utf8))
    try trusted.add(parsing: Array(other.utf8))
    #expect(trusted.keys == found && trusted.keys(found[0].identifier) == found)
    #expect(trusted.keys(KeyIdentifier([1, 2, 3, 4, 5, 6, 7, 8])).isEmpty)
  }

  @Test func identifiersHaveSixteenDigits() {
    #expect(KeyIdentifier([0x3D, 0xE1, 0, 0, 0, 0, 0, 0]).text == "000000000000E13D")
  }

  @Test func anythingElseIsRefused() {
    for line in [
      "no key", "AAAA", Sample.key + "=", Sample.key + "AAAA", String(Sample.key.dropLast()), " " + Sample.key,
      // Another algorithm; a secret key's file; bytes that are no text.
      "A" + Sample.key.dropFirst(), "untrusted: x", Sample.key.dropLast() + "=", Sample.key.dropLast() + "\u{E9}",
    ] {
      #expect(throws: SignatureError.noKey(line: 2), "\(line)") { try keys("untrusted comment: x\n" + line + "\n") }
    }
    #expect(throws: SignatureError.noKeys) { try keys("") }
    #expect(throws: SignatureError.noKeys) { try keys("untrusted comment: x\n\n") }
  }

  @Test func hugeFilesAreRefused() throws {
    let limit = TrustedKeys.fileBytesMax
    #expect(throws: SignatureError.tooLong(limit: limit)) { try keys(String(repeating: "A", count: limit + 1)) }
    #expect(throws: SignatureError.noKey(line: 1)) { try keys(String(repeating: "A", count: limit)) }
    #expect(throws: SignatureError.noKeys) { try keys(String(repeating: "\n", count: limit)) }
    let many = String(repeating: Sample.key + "\n", count: TrustedKeys.countMax)
    #expect(try keys(many).count == TrustedKeys.countMax)
    #expect(throws: SignatureError.tooManyKeys(limit: TrustedKeys.countMax)) { try keys(many + Sample.key) }
  }
}
