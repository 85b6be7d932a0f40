import Memory
import Protocols
import System
import Testing

@testable import Serving

/// A request that asks for it learns what each operator took.
@Suite struct ProfileTests {
  @Test func aRequestMayAskForItsProfile() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let client = try TestClient(server.repository.socket)
    let picture = try TestRepository.picture(3)
    func answer(_ parameters: String) throws -> JSON {
      let reply = try #require(
        try client.post("/v2/models/digits/infer", TestClient.json(picture, parameters: parameters)))
      #expect(reply.status == 200, "\(reply.text)")
      return try JSON(parsing: reply.text)
    }
    let plain = try answer("{}")
    #expect(plain["parameters"] == nil)
    #expect(try answer(#"{"thimble_profile":false}"#) == plain)

    let profiled = try answer(#"{"thimble_profile":true}"#)
    #expect(profiled["outputs"] == plain["outputs"])
    // The protocol's parameters are strings, numbers and Booleans: it is a string with JSON in it.
    let text = try #require(profiled["parameters"]?["thimble_profile"]?.string)
    let profile = try JSON(parsing: text)
    #expect(profile["threads"]?.int != nil && profile["isa"]?.string != nil)
    let operators = try #require(profile["operators"]?.array)
    #expect(operators.first?["name"]?.string == "CONV_2D" && operators.last?["name"]?.string == "SOFTMAX")
    var sum: Int64 = 0
    for entry in operators {
      let time = try #require(entry["ns"]?.int)
      #expect(time > 0 && (entry["busy_ns"]?.int ?? 0) > 0 && entry["multiply_adds"]?.int != nil)
      sum += time
    }
    #expect(profile["ns"]?.int == sum)
    #expect(
      operators.contains { ($0["in_place_weight_bytes"]?.int ?? 0) + ($0["resident_weight_bytes"]?.int ?? 0) > 0 })

    let wrong = try client.post(
      "/v2/models/digits/infer", TestClient.json(picture, parameters: #"{"thimble_profile":1}"#))
    #expect(wrong?.status == 400 && wrong?.text.contains("thimble_profile") == true)
  }

  /// Binary outputs follow the JSON that carries the profile.
  @Test func aProfileGoesWithBinaryOutputs() throws {
    let files = try TestRepository()
    try files.addModel()
    let server = try TestServer(files)
    let client = try TestClient(server.repository.socket)
    let picture = try TestRepository.picture(5)
    try client.send(TestClient.binary(picture))
    let plain = try #require(try client.reply())
    let reply = try #require(
      try client.post(
        "/v2/models/digits/infer",
        TestClient.json(picture, parameters: #"{"thimble_profile":true,"binary_data_output":true}"#)))
    let jsonByteCount = try #require(reply.head.inferenceHeaderContentLength)
    #expect(Array(reply.body[jsonByteCount...]) == Array(plain.body.suffix(10)))
    let json = try JSON(parsing: String(decoding: reply.body[..<jsonByteCount], as: UTF8.self))
    #expect(json["parameters"]?["thimble_profile"]?.string != nil)
  }
}
