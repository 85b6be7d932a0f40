import Protocols
import Testing

@testable import Serving

/// TensorFlow Serving's REST, for its clients.
@Suite struct PredictTests {
  private func serving() throws -> (TestServer, TestClient) {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    return (server, try TestClient(files.socket))
  }

  /// The picture as nested rows of pixels of one channel.
  private func nested(_ picture: [UInt8]) -> String {
    let rows = (0..<8).map { row in
      "[" + (0..<8).map { "[\(picture[row * 8 + $0])]" }.joined(separator: ",") + "]"
    }
    return "[" + rows.joined(separator: ",") + "]"
  }

  /// What follows `name` of the Open Inference answer's data.
  private func data(_ text: String) throws -> String {
    let start = try #require(text.range(of: "\"data\":["))
    return String(text[start.upperBound...].prefix { $0 != "]" })
  }

  @Test func bothFormsAnswerAsOpenInferenceDoes() throws {
    let (server, client) = try serving()
    let picture = try TestRepository.picture(0)
    let values = try data(try #require(try client.post("/v2/models/digits/infer", TestClient.json(picture))).text)
    let row = try #require(
      try client.post(
        "/v1/models/digits:predict", #"{"signature_name":"serving_default","instances":[\#(nested(picture))]}"#))
    #expect(row.status == 200 && row.text == "{\"predictions\":[[\(values)]]}")
    let named = try client.post(
      "/v1/models/digits/versions/1:predict", #"{"instances":[{"image":\#(nested(picture))}]}"#)
    #expect(named?.text == row.text)
    let column = try client.post("/v1/models/digits:predict", #"{"inputs":{"image":[\#(nested(picture))]}}"#)
    #expect(column?.status == 200 && column?.text == "{\"outputs\":[[\(values)]]}")
    let bare = try client.post("/v1/models/digits:predict", #"{"inputs":[\#(nested(picture))]}"#)
    #expect(bare?.text == column?.text)
    withExtendedLifetime(server) {}
  }

  @Test func statusAndSignature() throws {
    let (server, client) = try serving()
    let status =
      #"{"model_version_status":[{"version":"1","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}}]}"#
    #expect(try client.get("/v1/models/digits")?.text == status)
    #expect(try client.get("/v1/models/digits/versions/1")?.text == status)
    let signature = try #require(try client.get("/v1/models/digits/metadata")?.text)
    #expect(signature.contains(#""model_spec":{"name":"digits","signature_name":"","version":"1"}"#))
    #expect(
      signature.contains(
        #""inputs":{"image":{"dtype":"DT_UINT8","tensor_shape":{"dim":[{"size":"1","name":""},{"size":"8","name":""}"#))
    var reader: JSONReader? = nil
    try Array(signature.utf8).withUnsafeBytes {
      reader = JSONReader($0)
      try reader?.skipValue()
      try reader?.finish()
    }
    #expect(try client.get("/v1/models/digits/versions/1/metadata")?.text == signature)
    #expect(try client.post("/v2/repository/models/digits/unload")?.status == 200)
    #expect(try client.get("/v1/models/digits")?.text.contains(#""state":"END""#) == true)
    withExtendedLifetime(server) {}
  }

  @Test(arguments: [
    ("/v1/models/none:predict", "{\"instances\":[1]}", 404), ("/v1/models/digits/versions/9:predict", "{}", 404),
    ("/v1/models/digits/labels/stable:predict", "{}", 404), ("/v1/models/digits:predict", "{}", 400),
    ("/v1/models/digits:predict", "{\"instances\":[]}", 400), ("/v1/models/digits:predict", "{\"instances\":7}", 400),
    ("/v1/models/digits:predict", "{\"instances\":[[1,2]]}", 400),
    ("/v1/models/digits:predict", "{\"instances\":[{\"picture\":[1]}]}", 400),
    ("/v1/models/digits:predict", "{\"instances\":[{\"image\":[1]},{\"image\":[1]}]}", 400),
    ("/v1/models/digits:predict", "{\"instances\":[{\"b64\":\"AA==\"}]}", 400),
    ("/v1/models/digits:predict", "{\"instances\":[{}]}", 400), ("/v1/models/digits:predict", "{\"inputs\":{}}", 400),
    ("/v1/models/digits:predict", "{\"inputs\":[1],\"instances\":[1]}", 400),
    ("/v1/models/digits:predict", "{\"inputs\":{\"image\":[1],\"image\":[1]}}", 400),
    ("/v1/models/digits:predict", "{\"signature_name\":\"other\",\"instances\":[1]}", 400),
    ("/v1/models/digits:predict", "{\"instances\":[1]", 400), ("/v1/models/digits:classify", "{}", 405),
  ])
  func errorsAreInItsForm(_ path: String, _ body: String, _ status: Int) throws {
    let (server, client) = try serving()
    let reply = try #require(try client.post(path, body))
    #expect(reply.status == status && reply.text.hasPrefix("{\"error\":\""), "\(reply.status) \(reply.text)")
    withExtendedLifetime(server) {}
  }
}
