import Testing

@testable import Protocols

@Suite struct HTTPBodyDecoderTests {
  static let chunked = [UInt8]("4\r\nWiki\r\n7;x=\"y\"\r\npedia i\r\nB \r\nn \r\nchunks.\r\n0\r\nA: b\r\nC: d\r\n\r\n")
  static let payload = "Wikipedia in \r\nchunks."

  /// Feeds pieces, keeps what the decoder leaves, and returns the payload and what is left at the end.
  func decode(
    _ length: HTTPBodyLength, _ pieces: [[UInt8]], limits: HTTPLimits = HTTPLimits()
  ) throws(ProtocolError) -> (payload: [UInt8], rest: [UInt8], isComplete: Bool) {
    var decoder = try HTTPBodyDecoder(length, limits: limits)
    var payload: [UInt8] = []
    var received: [UInt8] = []
    for piece in pieces {
      received += piece
      var goesOn = true
      while goesOn {
        let event = try withBytes(received) { (raw) throws(ProtocolError) in try decoder.next(raw) }
        switch event {
        case .needMore(let consumed):
          #expect(consumed == received.count)
          received = []
          goesOn = false
        case .payload(let range, let consumed):
          #expect(!range.isEmpty && range.upperBound == consumed)
          payload += received[range]
          received.removeFirst(consumed)
        case .end(let consumed):
          received.removeFirst(consumed)
          goesOn = false
        }
      }
    }
    return (payload, received, decoder.isComplete)
  }

  @Test func takesALengthAndLeavesTheRest() throws {
    for split in 0...7 {
      let bytes = [UInt8]("hello!!")
      let result = try decode(.bytes(5), [Array(bytes[..<split]), Array(bytes[split...])])
      #expect(result.payload.text == "hello")
      #expect(result.rest.text == "!!")
      #expect(result.isComplete)
    }
    #expect(try decode(.empty, [[UInt8]("x")]).rest.text == "x")
    #expect(try decode(.bytes(0), [[UInt8]("x")]).rest.text == "x")
  }

  @Test func takesChunksAtAnySplit() throws {
    let bytes = HTTPBodyDecoderTests.chunked + [UInt8]("GET")
    for split in 0...bytes.count {
      let result = try decode(.chunked, [Array(bytes[..<split]), Array(bytes[split...])])
      #expect(result.payload.text == HTTPBodyDecoderTests.payload)
      #expect(result.rest.text == "GET")
      #expect(result.isComplete)
    }
    let drip = try decode(.chunked, HTTPBodyDecoderTests.chunked.map { [$0] })
    #expect(drip.payload.text == HTTPBodyDecoderTests.payload && drip.isComplete)
  }

  @Test func waitsWhereverTheBytesEnd() throws {
    let bytes = HTTPBodyDecoderTests.chunked
    for count in 0..<bytes.count { #expect(try !decode(.chunked, [Array(bytes[..<count])]).isComplete) }
  }

  @Test func letsTheServerReceiveDirectly() throws {
    var decoder = try HTTPBodyDecoder(.bytes(10))
    #expect(decoder.directBytes == 10)
    decoder.advance(directBytes: 4)
    #expect(decoder.directBytes == 6)
    decoder.advance(directBytes: 100)
    #expect(decoder.isComplete && decoder.directBytes == 0)

    var chunks = try HTTPBodyDecoder(.chunked)
    #expect(chunks.directBytes == 0)
    _ = try withBytes([UInt8]("a\r\n")) { (raw) throws(ProtocolError) in try chunks.next(raw) }
    #expect(chunks.directBytes == 10)
    chunks.advance(directBytes: 10)
    let end = try withBytes([UInt8]("\r\n0\r\n\r\n")) { (raw) throws(ProtocolError) in try chunks.next(raw) }
    #expect(end == .end(consumed: 7))
  }

  @Test(arguments: [
    ("x", ProtocolError.http(.chunkSize, offset: 0)),
    ("\r\n", .http(.chunkSize, offset: 0)),
    ("-1\r\n", .http(.chunkSize, offset: 0)),
    ("1\n", .http(.chunkSize, offset: 1)),
    ("1;a\nb\r\n", .http(.chunkSize, offset: 3)),
    ("1\rx", .http(.chunkSize, offset: 2)),
    ("1\r\nab", .http(.chunkEnd, offset: 4)),
    ("0000000000000001\r\n", .http(.chunkSize, offset: 15)),
    ("fffffffffffffff\r\n", .bodyTooLarge(limitBytes: 100)),
    ("65\r\n", .bodyTooLarge(limitBytes: 100)),
    ("0\r\na\nb\r\n", .http(.trailer, offset: 4)),
    ("1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", .http(.chunkSize, offset: 34)),
    ("0\r\na: aaaaaaaaaaaaaaaa\r\nb: aaaaaaaaaaaaaaaaaaaaaa\r\n\r\n", .http(.trailer, offset: 37)),
  ])
  func refuses(_ text: String, _ expected: ProtocolError) {
    let limits = HTTPLimits(headBytesMax: 32, bodyBytesMax: 100)
    #expect(failure { () throws(ProtocolError) in try decode(.chunked, [[UInt8](text)], limits: limits) } == expected)
    let drip = [UInt8](text).map { [$0] }
    #expect(failure { () throws(ProtocolError) in try decode(.chunked, drip, limits: limits) } == expected)
  }

  @Test func holdsTheBodyToItsLimit() throws {
    let limits = HTTPLimits(bodyBytesMax: 22)
    #expect(try decode(.chunked, [HTTPBodyDecoderTests.chunked], limits: limits).isComplete)
    let less = HTTPLimits(bodyBytesMax: 21)
    let error = failure { () throws(ProtocolError) in
      try decode(.chunked, [HTTPBodyDecoderTests.chunked], limits: less)
    }
    #expect(error == .bodyTooLarge(limitBytes: 21))
    #expect(error?.status.code == 413)
    #expect(failure { () throws(ProtocolError) in try HTTPBodyDecoder(.bytes(22), limits: less) } == error)
    #expect(
      failure { () throws(ProtocolError) in try decode(.untilClose, [[UInt8](repeating: 0, count: 22)], limits: less) }
        == error)
  }

  @Test func survivesMutation() {
    var random = XorShift(seed: 2)
    var complete = 0
    for _ in 0..<2_000 {
      let bytes = HTTPBodyDecoderTests.chunked.mutated(&random)
      _ = failure { () throws(ProtocolError) in
        if try decode(.chunked, [bytes]).isComplete { complete += 1 }
      }
    }
    #expect(complete > 100 && complete < 1_900)
  }
}
