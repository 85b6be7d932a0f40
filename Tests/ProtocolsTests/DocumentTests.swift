import Tensors
import Testing

@testable import Protocols

@Suite struct DocumentTests {
  @Test func writesServerDocuments() {
    #expect(
      ServerMetadata(name: "thimble", version: "1", extensions: ["binary_tensor_data"]).jsonBytes.text
        == #"{"name":"thimble","version":"1","extensions":["binary_tensor_data"]}"#)
    #expect(ServerHealth(isLive: true).jsonBytes.text == #"{"live":true}"#)
    #expect(ServerHealth(isLive: true, isReady: true).jsonBytes.text == #"{"live":true,"ready":true}"#)
    #expect(
      ErrorBody(.json(.truncated, offset: 3)).jsonBytes.text
        == #"{"error":"malformed JSON at byte 3: the text ends in the middle of a value"}"#)
    #expect(ErrorBody("a\n\"b\"").jsonBytes.text == #"{"error":"a\n\"b\""}"#)
  }

  @Test func writesModelDocuments() {
    let tensor = TensorMetadata(name: "x", elementType: .uint8, dimensions: [-1, 224, 224, 3])
    #expect(
      ModelMetadata(name: "m", versions: ["1", "2"], platform: "thimble", inputs: [tensor], outputs: []).jsonBytes.text
        == #"{"name":"m","versions":["1","2"],"platform":"thimble","inputs":[{"name":"x","datatype":"UINT8","#
        + #""shape":[-1,224,224,3]}],"outputs":[]}"#)
    #expect(ModelList(models: ["a", "b"]).jsonBytes.text == #"{"models":["a","b"]}"#)
    #expect(ModelReadiness(name: "m", isReady: true).jsonBytes.text == #"{"name":"m","ready":true}"#)
  }

  @Test func writesTheRepositoryIndex() {
    let index = RepositoryIndex(entries: [
      RepositoryIndexEntry(name: "a", version: "1", state: .ready),
      RepositoryIndexEntry(name: "b", state: .unavailable, reason: "unloaded"),
    ])
    #expect(
      index.jsonBytes.text
        == #"[{"name":"a","version":"1","state":"READY","reason":""},{"name":"b","state":"UNAVAILABLE","reason":"unloaded"}]"#
    )
  }

  @Test func readsRepositoryRequests() throws {
    func parse(_ text: String) throws(ProtocolError) -> RepositoryRequest {
      try withBytes([UInt8](text)) { (raw) throws(ProtocolError) in try RepositoryRequest(parsing: raw) }
    }
    #expect(try parse("") == RepositoryRequest())
    #expect(try parse("{}") == RepositoryRequest())
    #expect(try parse(#"{"ready":true,"x":[1]}"#).isReadyOnly)
    #expect(try parse(#"{"parameters":{"config":"{\"a\":1}"}}"#).configuration == #"{"a":1}"#)
    #expect(try parse(#"{"parameters":{"unload_dependents":true}}"#).unloadsDependents)
    #expect(
      failure { () throws(ProtocolError) in try parse(#"{"parameters":{"config":{}}}"#) }
        == .fieldInvalid(field: "config", expected: "a string that holds JSON"))
  }

  @Test func readsPlanRequests() throws {
    func parse(_ text: String) throws(ProtocolError) -> PlanRequest {
      try withBytes([UInt8](text)) { (raw) throws(ProtocolError) in try PlanRequest(parsing: raw) }
    }
    #expect(try parse(#"{"model":"m","threads":"x"}"#) == PlanRequest(model: ModelReference(name: "m")))
    #expect(
      try parse(#"{"memory_budget_bytes":9,"version":3,"model":"m"}"#)
        == PlanRequest(model: ModelReference(name: "m", version: "3"), memoryBudgetByteCount: 9))
    #expect(try parse(#"{"model":"m","version":"3"}"#).model.version == "3")
    #expect(
      failure { () throws(ProtocolError) in try parse("{}") } == .fieldMissing(field: "model", owner: "request"))
    let wrong = [
      "", "[]", #"{"model":3}"#, #"{"model":"m","version":-1}"#, #"{"model":"m","version":[]}"#,
      #"{"model":"m","memory_budget_bytes":-1}"#, #"{"model":"m","memory_budget_bytes":"8M"}"#,
      #"{"model":"m","memory_budget_bytes":99999999999999999999}"#, #"{"model":"m"}x"#,
    ]
    for text in wrong { #expect(throws: ProtocolError.self, "\(text)") { try parse(text) } }
  }

  @Test func writesMetrics() {
    var metrics = MetricsWriter()
    metrics.family("nv_inference_count", .counter, help: "Inferences\ndone")
    metrics.sample([.init("model", "a\"b\\c\nd"), .init("version", "1")], 3)
    metrics.family("nv_inference_count", .counter, help: "")
    metrics.sample([], 0.5)
    metrics.family("thimble_latency", .histogram, help: "Latency")
    metrics.sample([.init("le", "+Inf")], .infinity, suffix: "_bucket")
    #expect(
      metrics.bytes.text == """
        # HELP nv_inference_count Inferences\\ndone
        # TYPE nv_inference_count counter
        nv_inference_count{model="a\\"b\\\\c\\nd",version="1"} 3
        nv_inference_count 0.5
        # HELP thimble_latency Latency
        # TYPE thimble_latency histogram
        thimble_latency_bucket{le="+Inf"} +Inf

        """)
  }

  @Test func givesEveryErrorAMessageAndAStatus() {
    #expect(ProtocolError.transferCodingUnsupported.status.code == 501)
    #expect(ProtocolError.versionUnsupported.status.code == 505)
    #expect(
      ProtocolError.elementInvalid(tensor: "x", index: 3, elementType: .uint8).message
        == #"element 3 of tensor "x" is not a value of UINT8"#)
    #expect(HTTPStatus.allCases.map(\.code) == HTTPStatus.allCases.map(\.code).sorted())
    #expect(HTTPStatus.insufficientStorage.reason == "Insufficient Storage")
  }
}
