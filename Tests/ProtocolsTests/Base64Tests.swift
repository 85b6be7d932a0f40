import Testing

@testable import Protocols

@Suite struct Base64Tests {
  /// RFC 4648, section 10.
  @Test(arguments: [
    ("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmE=", "fooba"),
    ("Zm9vYmFy", "foobar"), ("Zm9vYg", "foob"),
  ]) func decodes(_ text: String, _ expected: String) {
    #expect(Base64.decode(text) == Array(expected.utf8))
  }

  @Test func decodesEveryDigit() {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    let bytes = Base64.decode(digits)
    #expect(bytes?.count == 48 && bytes?.prefix(3) == [0x00, 0x10, 0x83] && bytes?.suffix(3) == [0xF3, 0xDF, 0xBF])
    // What systemd writes for a trigger.
    #expect(Base64.decode("c29tZSAyMDAwMDAgMjAwMDAwMAA=") == Array("some 200000 2000000".utf8) + [0])
  }

  @Test(arguments: ["Z", "Zm9vY", "Zm9v Yg==", "Zg=x", "Zg\n", "Zm9-"]) func refuses(_ text: String) {
    #expect(Base64.decode(text) == nil)
  }
}
