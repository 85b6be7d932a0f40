/// What a call asks for: `inference.GRPCInferenceService`, and the health check that gRPC has for all services.
public enum CallMethod: String, CaseIterable, Sendable {
  case serverLive = "ServerLive"
  case serverReady = "ServerReady"
  case modelReady = "ModelReady"
  case serverMetadata = "ServerMetadata"
  case modelMetadata = "ModelMetadata"
  case modelConfiguration = "ModelConfig"
  case infer = "ModelInfer"
  case streamInfer = "ModelStreamInfer"
  case statistics = "ModelStatistics"
  case repositoryIndex = "RepositoryIndex"
  case repositoryLoad = "RepositoryModelLoad"
  case repositoryUnload = "RepositoryModelUnload"
  case sharedMemoryStatus = "SystemSharedMemoryStatus"
  case sharedMemoryRegister = "SystemSharedMemoryRegister"
  case sharedMemoryUnregister = "SystemSharedMemoryUnregister"
  case traceSetting = "TraceSetting"
  case logSettings = "LogSettings"
  case healthCheck = "Check"

  public static let inferenceService = "inference.GRPCInferenceService"
  public static let healthService = "grpc.health.v1.Health"

  /// By the path of the HTTP/2 request; nil: there is no such call here.
  public init?(path: String) {
    let service =
      path.hasPrefix("/" + CallMethod.healthService + "/") ? CallMethod.healthService : CallMethod.inferenceService
    let prefix = "/" + service + "/"
    guard path.hasPrefix(prefix) else { return nil }
    let name = String(decoding: path.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
    guard let method = CallMethod.allCases.first(where: { $0.rawValue == name }),
      (method == .healthCheck) == (service == CallMethod.healthService)
    else { return nil }
    self = method
  }

  /// Whether messages go on coming both ways.
  public var isStream: Bool { self == .streamInfer }
}
