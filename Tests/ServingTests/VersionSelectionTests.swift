import Protocols
import Testing

@testable import Serving

/// What a configuration says of versions, and how requests are shared among them.
@Suite struct VersionSelectionTests {
  private func selection(_ text: String) throws -> VersionSelection {
    try Array(text.utf8).withUnsafeBytes { try ModelConfiguration(parsing: $0) }.selection
  }

  @Test func readsLabelsAndShares() throws {
    let full = try selection(
      #"{"version_labels":{"stable":3,"canary":4},"traffic":{"3":90,"4":10},"traffic_by":"user","#
        + #""rollback":{"window_seconds":10,"min_request_count":5,"margin":0.25}}"#)
    #expect(full.version(named: "stable") == 3 && full.version(named: "canary") == 4)
    #expect(full.version(named: "12") == 12 && full.version(named: "other") == nil)
    #expect(full.traffic == [.init(version: 4, weight: 10), .init(version: 3, weight: 90)])
    #expect(full.stickiness == .user && full.rollback.windowSeconds == 10 && full.rollback.requestCountMin == 5)
    #expect(full.rollback.margin == 0.25 && full.rollback.isEnabled)
    #expect(try !selection(#"{"rollback":{"enable":false}}"#).rollback.isEnabled)
    // What is named is loaded besides the latest.
    #expect(try full.selected(of: [1, 2, 3, 4, 5], model: "x") == [3, 4, 5])
    #expect(throws: ServingError.self) { try full.selected(of: [3, 5], model: "x") }
    for wrong in [
      #"{"version_labels":[]}"#, #"{"version_labels":{"7":3}}"#, #"{"version_labels":{"":3}}"#,
      #"{"version_labels":{"a":"3"}}"#, #"{"version_labels":{"a":0}}"#, #"{"traffic":{"x":1}}"#,
      #"{"traffic":{"3":-1}}"#,
      #"{"traffic":{"3":0}}"#, #"{"traffic":{"3":1000001}}"#, #"{"traffic":1}"#, #"{"traffic_by":"moon"}"#,
      #"{"traffic_by":1}"#, #"{"rollback":{"margin":2}}"#, #"{"rollback":{"enable":1}}"#,
      #"{"rollback":{"window_seconds":0}}"#, #"{"rollback":{"min_request_count":0}}"#,
    ] {
      #expect(throws: ProtocolError.self, "\(wrong)") { try selection(wrong) }
    }
    let names = (0..<33).map { #""label\#($0)":1"# }.joined(separator: ",")
    #expect(throws: ProtocolError.self) { try selection(#"{"version_labels":{\#(names)}}"#) }
  }

  @Test func saysWhatItRead() throws {
    let text = #"{"version_labels":{"a":1},"traffic":{"1":3,"2":1},"version_policy":{"specific":{"versions":[1,2]}}}"#
    let read = try selection(text)
    var writer = JSONWriter()
    writer.beginObject()
    read.write(to: &writer)
    writer.endObject()
    #expect(writer.bytes.count <= read.jsonBytesMax)
    #expect(try selection(String(decoding: writer.bytes, as: UTF8.self)) == read)
  }

  @Test func keysAreSpreadEvenlyAndStay() {
    let keys = (0..<10_000).map { RoutingKey("client \($0)") }
    let points = keys.map { $0.point(below: 100, model: "m") }
    #expect(points == keys.map { $0.point(below: 100, model: "m") })
    #expect(points.allSatisfy { (0..<100).contains($0) })
    let tenth = points.count { $0 < 10 }
    #expect((900...1100).contains(tenth), "\(tenth)")
    // Another model's keys fall elsewhere.
    let both = keys.count { $0.point(below: 100, model: "m") < 10 && $0.point(below: 100, model: "n") < 10 }
    #expect((50...150).contains(both), "\(both)")
    #expect(RoutingKey(7).point(below: 0, model: "m") == 0)
    #expect(RoutingKey("7") != RoutingKey(7))
  }

  private func watch(_ shares: String, _ rollback: String = "{}") throws -> TrafficWatch {
    TrafficWatch(try selection(#"{"traffic":\#(shares),"rollback":\#(rollback)}"#))
  }

  @Test func rollsBackWhatFailsMoreOften() throws {
    var watch = try watch(#"{"1":1,"2":1}"#, #"{"min_request_count":10,"margin":0.1}"#)
    for _ in 0..<9 { #expect(watch.note(2, isError: true, now: 0) == nil) }
    let rollback = watch.note(2, isError: true, now: 0)
    #expect(rollback?.version == 2 && rollback?.rate == .init(requests: 10, errors: 10))
    #expect(watch.isRolledBack(2) && watch.weight(.init(version: 2, weight: 1)) == 0)
    // The one that is left has nobody to give its share to.
    for _ in 0..<100 { #expect(watch.note(1, isError: true, now: 0) == nil) }
    watch.forget(2)
    #expect(!watch.isRolledBack(2))
  }

  @Test func comparesWithTheOthers() throws {
    var watch = try watch(#"{"1":1,"2":1,"3":0}"#, #"{"min_request_count":10,"margin":0.1}"#)
    // Half of the old one's fail too: what both get is wrong.
    for index in 0..<100 {
      #expect(watch.note(1, isError: index % 2 == 0, now: 0) == nil)
      #expect(watch.note(2, isError: index % 2 == 0, now: 0) == nil)
    }
    for _ in 0..<20 { _ = watch.note(2, isError: false, now: 0) }
    #expect(!watch.isRolledBack(2))
    for _ in 0..<40 where !watch.isRolledBack(2) { _ = watch.note(2, isError: true, now: 0) }
    #expect(!watch.isRolledBack(2))
    for _ in 0..<40 where !watch.isRolledBack(2) { _ = watch.note(2, isError: true, now: 0) }
    #expect(watch.isRolledBack(2))
  }

  @Test func forgetsWhatIsLongAgo() throws {
    let second: Int64 = 1_000_000_000
    let rule = #"{"min_request_count":10,"window_seconds":10}"#
    var young = try watch(#"{"1":1,"2":1}"#, rule)
    for step in 0..<100 { #expect(young.note(2, isError: true, now: Int64(step) * 2 * second) == nil) }
    var old = try watch(#"{"1":1,"2":1}"#, rule)
    for _ in 0..<9 { _ = old.note(2, isError: true, now: 0) }
    #expect(old.note(2, isError: true, now: 6 * second) != nil)
    var off = try watch(#"{"1":1,"2":1}"#, #"{"enable":false}"#)
    for _ in 0..<100 { #expect(off.note(2, isError: true, now: 0) == nil) }
  }

  @Test func findsTheKeyInARequest() {
    func key(_ text: String) -> String? {
      Array(text.utf8).withUnsafeBytes { InferenceParameters.routingKey(in: $0) }
    }
    #expect(key(#"{"id":"1","inputs":[{"a":[1]}],"parameters":{"x":1,"thimble_routing_key":"me"}}"#) == "me")
    let number = #"{"parameters":{"thimble_routing_key":7}}"#
    for text in ["", "{", "[]", #"{"parameters":1}"#, number, #"{"inputs":[1,2"#] {
      #expect(key(text) == nil)
    }
  }
}
