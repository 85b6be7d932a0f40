import Protocols
import Testing

@testable import Serving

/// Requests that bring several rows for a model of batch 1: the answer is those of the rows by themselves, one after the other.
@Suite struct RowsTests {
  private let path = "/v2/models/digits/infer"

  private func serving(_ configuration: String? = nil) throws -> TestServer {
    let files = try TestRepository()
    try files.addModel(configuration: configuration)
    return try TestServer(files)
  }

  /// The bytes of the answer that each picture gets alone.
  private func singles(_ client: TestClient, _ pictures: [[UInt8]]) throws -> [UInt8] {
    try pictures.flatMap { picture in
      try client.send(TestClient.binary(picture))
      return Array(try #require(try client.reply()).body.suffix(10))
    }
  }

  private func json(_ pictures: [[UInt8]], rest: String = "") -> String {
    let values = pictures.joined().map { "\($0)" }.joined(separator: ",")
    return
      #"{"inputs":[{"name":"image","shape":[\#(pictures.count),8,8,1],"datatype":"UINT8","data":[\#(values)]}]\#(rest)}"#
  }

  /// The numbers of an answer's only output.
  private func data(_ text: String) throws -> [UInt8] {
    let start = try #require(text.range(of: "\"data\":["))
    return text[start.upperBound...].prefix { $0 != "]" }.split(separator: ",").compactMap { UInt8($0) }
  }

  /// By themselves, and together, with as many as two at once.
  @Test(arguments: [
    nil, #"{"max_batch_size":5,"dynamic_batching":{"preferred_batch_size":[2],"max_queue_delay_microseconds":0}}"#,
  ])
  func allFormsOfBodies(_ configuration: String?) throws {
    let server = try serving(configuration)
    let client = try TestClient(server.repository.socket)
    let pictures = try (0..<5).map { try TestRepository.picture($0) }
    let expected = try singles(client, pictures)

    let text = try #require(try client.post(path, json(pictures)))
    #expect(text.status == 200 && text.text.contains(#""shape":[5,10]"#), "\(text.text)")
    #expect(try data(text.text) == expected)

    let raw = TestClient.request(path, Array(pictures.joined()), headers: "Inference-Header-Content-Length: 0\r\n")
    try client.send(raw)
    let binary = try #require(try client.reply())
    #expect(binary.status == 200 && Array(binary.body.suffix(50)) == expected)

    let classes = try #require(
      try client.post(
        path, json(pictures, rest: #","outputs":[{"name":"probabilities","parameters":{"classification":1}}]"#)))
    #expect(classes.text.contains(#""shape":[5,1]"#), "\(classes.text)")
    let statistics = try #require(try client.get("/v2/models/digits/stats")).text
    #expect(statistics.contains(#""inference_count":20,"#), "\(statistics)")
  }

  @Test func sharedMemory() throws {
    let server = try serving()
    let client = try TestClient(server.repository.socket)
    let pictures = try (0..<3).map { try TestRepository.picture($0) }
    let expected = try singles(client, pictures)
    let input = try SharedMemoryTests.Object([7, 7] + Array(pictures.joined()))
    let output = try SharedMemoryTests.Object([UInt8](repeating: 9, count: 34))
    for (name, object, size) in [("in", input, 194), ("out", output, 34)] {
      let reply = try client.post(
        "/v2/systemsharedmemory/region/\(name)/register", #"{"key":"/\#(object.name)","offset":0,"byte_size":\#(size)}"#
      )
      #expect(reply?.status == 200)
    }
    func request(outputBytes: Int) -> String {
      #"{"inputs":[{"name":"image","shape":[3,8,8,1],"datatype":"UINT8","parameters":{"shared_memory_region":"in","#
        + #""shared_memory_offset":2,"shared_memory_byte_size":192}}],"outputs":[{"name":"probabilities","parameters":"#
        + #"{"shared_memory_region":"out","shared_memory_offset":1,"shared_memory_byte_size":\#(outputBytes)}}]}"#
    }
    #expect(try client.post(path, request(outputBytes: 10))?.status == 400)
    let reply = try #require(try client.post(path, request(outputBytes: 30)))
    #expect(reply.status == 200 && reply.text.contains(#""shape":[3,10]"#), "\(reply.text)")
    #expect(try output.bytes == [9] + expected + [9, 9, 9])
  }

  /// TensorFlow Serving's instances are rows.
  @Test func instances() throws {
    let server = try serving()
    let client = try TestClient(server.repository.socket)
    let pictures = try (0..<3).map { try TestRepository.picture($0) }
    let expected = try singles(client, pictures)
    let rows = pictures.map { "[" + $0.map { "\($0)" }.joined(separator: ",") + "]" }.joined(separator: ",")
    let answers = (0..<3).map { row in
      "[" + expected[row * 10..<row * 10 + 10].map { "\($0)" }.joined(separator: ",") + "]"
    }
    .joined(separator: ",")
    let reply = try #require(try client.post("/v1/models/digits:predict", #"{"instances":[\#(rows)]}"#))
    #expect(reply.text == #"{"predictions":[\#(answers)]}"#)
    let columns = try #require(try client.post("/v1/models/digits:predict", #"{"inputs":{"image":[\#(rows)]}}"#))
    #expect(columns.text == #"{"outputs":[\#(answers)]}"#)
  }

  @Test func tooManyAndOtherShapes() throws {
    let server = try serving(#"{"max_batch_size":2}"#)
    let client = try TestClient(server.repository.socket)
    let pictures = try (0..<3).map { try TestRepository.picture($0) }
    let reply = try #require(try client.post(path, json(pictures)))
    #expect(reply.status == 400 && reply.text.contains("at most 2 rows"), "\(reply.text)")
    #expect(try client.post(path, json(Array(pictures[..<2])))?.status == 200)
    // Not whole rows; rows of another size; none; as many as no Int holds.
    for body in [[UInt8](repeating: 1, count: 100), []] {
      try client.send(TestClient.request(path, body, headers: "Inference-Header-Content-Length: 0\r\n"))
      #expect(try client.reply()?.status == 400)
    }
    for shape in ["[2,8,4,2]", "[0,8,8,1]", "[2,64]", "[-2,8,8,1]", "[9223372036854775807,8,8,1]"] {
      let text = json(Array(pictures[..<2])).replacing("[2,8,8,1]", with: shape)
      #expect(try client.post(path, text)?.status == 400, "\(shape)")
    }
    // A profile is of one run.
    #expect(
      try client.post(path, json(Array(pictures[..<2]), rest: #","parameters":{"thimble_profile":true}"#))?.status
        == 400)
    #expect(try client.post(path, json(Array(pictures[..<1])))?.status == 200)
  }

  /// As many rows as there may be leave no memory behind; one more is refused.
  @Test func theMostRowsGiveTheirMemoryBack() throws {
    let server = try serving()
    let client = try TestClient(server.repository.socket)
    let picture = try TestRepository.picture(0)
    let rows = [[UInt8]](repeating: picture, count: 256)
    let before = server.server.residents.budget.reservedByteCount
    let reply = try #require(try client.post(path, json(rows)))
    #expect(reply.status == 200)
    #expect(try client.post(path, json(rows + [picture]))?.status == 400)
    server.server.residents.buffers.trim()
    #expect(server.server.residents.budget.reservedByteCount <= before)
  }
}
