import Testing

@testable import Protocols

@Suite struct RouteTests {
  func route(_ method: HTTPMethod, _ path: String) -> Route {
    Route(method: method, path: path.split(separator: "/").map(String.init))
  }

  @Test(arguments: [
    (HTTPMethod.get, "v2", Route.serverMetadata),
    (.head, "v2", .serverMetadata),
    (.get, "v2/health/live", .live),
    (.get, "v2/health/ready", .ready),
    (.get, "v2/models", .modelList),
    (.get, "v2/models/stats", .statistics(nil)),
    (.get, "v2/models/m", .modelMetadata(ModelReference(name: "m"))),
    (.get, "v2/models/m/versions/3", .modelMetadata(ModelReference(name: "m", version: "3"))),
    (.get, "v2/models/m/ready", .modelReady(ModelReference(name: "m"))),
    (.get, "v2/models/m/versions/canary/ready", .modelReady(ModelReference(name: "m", version: "canary"))),
    (.get, "v2/models/m/config", .modelConfiguration(ModelReference(name: "m"))),
    (.get, "v2/models/m/stats", .statistics(ModelReference(name: "m"))),
    (.post, "v2/models/m/infer", .infer(ModelReference(name: "m"))),
    (.post, "v2/models/m/versions/1/infer", .infer(ModelReference(name: "m", version: "1"))),
    (.post, "v2/repository/index", .repositoryIndex),
    (.post, "v2/repository/models/m/load", .repositoryLoad(model: "m")),
    (.post, "v2/repository/models/m/unload", .repositoryUnload(model: "m")),
    (.get, "metrics", .metrics),
    (.get, "v2/thimble/models", .residents),
    (.post, "v2/thimble/models", .methodNotAllowed(allow: "GET, HEAD")),
    (.get, "v2/thimble/activity", .activity),
    (.get, "v2/thimble/trace", .trace),
    (.post, "v2/thimble/trace", .methodNotAllowed(allow: "GET, HEAD")),
    (.get, "v2/logging", .logging(isChange: false)),
    (.head, "v2/logging", .logging(isChange: false)),
    (.post, "v2/logging", .logging(isChange: true)),
    (.get, "v2/logging/x", .notFound),
    (.get, "v2/trace/setting", .traceSetting(model: nil, isChange: false)),
    (.post, "v2/models/m/trace/setting", .traceSetting(model: "m", isChange: true)),
    (.get, "v2/models/m/trace/setting", .traceSetting(model: "m", isChange: false)),
    (.get, "v2/models//trace/setting", .notFound),
    (.get, "v2/models/m/n/trace/setting", .notFound),
    (.get, "v2/trace", .notFound),
    (.post, "v2/thimble/plan", .plan),
    (.get, "v2/thimble/plan", .methodNotAllowed(allow: "POST")),
    (.post, "v2/thimble/plan/m", .notFound),
    (.get, "v2/systemsharedmemory/status", .sharedMemory(.system, .status(nil))),
    (.get, "v2/systemsharedmemory/region/r/status", .sharedMemory(.system, .status("r"))),
    (.post, "v2/systemsharedmemory/region/r/register", .sharedMemory(.system, .register("r"))),
    (.post, "v2/systemsharedmemory/region/r/unregister", .sharedMemory(.system, .unregister("r"))),
    (.post, "v2/systemsharedmemory/unregister", .sharedMemory(.system, .unregister(nil))),
    (.post, "v2/systemsharedmemory/register", .notFound),
    (.get, "v2/systemsharedmemory/region/r/register", .methodNotAllowed(allow: "POST")),
    (.get, "v2/systemsharedmemory/region//status", .notFound),
    (.get, "v2/systemsharedmemory", .notFound),
    (.post, "v2/thimble/memory/region/r/register", .sharedMemory(.passed, .register("r"))),
    (.get, "v2/thimble/memory/status", .sharedMemory(.passed, .status(nil))),
    (.get, "v2/thimble", .notFound),
    (.get, "v2/thimble/models/x", .notFound),
    (.get, "v2/models/m/infer", .methodNotAllowed(allow: "POST")),
    (.post, "v2", .methodNotAllowed(allow: "GET, HEAD")),
    (.other, "v2/repository/index", .methodNotAllowed(allow: "POST")),
    (.get, "", .notFound),
    (.get, "v1", .notFound),
    (.post, "v2/x", .notFound),
    (.get, "v2/health", .notFound),
    (.get, "v2/health/live/x", .notFound),
    (.get, "v2/models/m/versions", .notFound),
    (.get, "v2/models/m/x", .notFound),
    (.get, "v2/models/m/ready/x", .notFound),
    (.post, "v2/repository", .notFound),
    (.post, "v2/repository/models/m", .notFound),
    (.post, "v2/repository/models/m/x", .notFound),
    (.get, "metrics/x", .notFound),
  ])
  func finds(_ method: HTTPMethod, _ path: String, _ expected: Route) {
    #expect(route(method, path) == expected)
  }

  @Test func takesNoEmptyNames() {
    #expect(Route(method: .get, path: ["v2", "models", ""]) == .notFound)
    #expect(Route(method: .get, path: ["v2", "models", "m", "versions", ""]) == .notFound)
    #expect(Route(method: .post, path: ["v2", "repository", "models", "", "load"]) == .notFound)
  }
}
