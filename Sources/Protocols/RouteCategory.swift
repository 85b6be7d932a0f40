/// Parts of the protocol to which some clients may be kept from, by Triton's names (`--http-restricted-api`).
public enum RouteCategory: String, Sendable, CaseIterable {
  case health
  case metadata
  case inference
  case sharedMemory = "shared-memory"
  case modelConfiguration = "model-config"
  case modelRepository = "model-repository"
  case statistics
  case trace
  case logging
}

extension Route {
  /// Nil: there is nothing at the path.
  public var category: RouteCategory? {
    switch self {
    case .live, .ready, .modelReady: .health
    case .serverMetadata, .modelList, .modelMetadata, .modelStatus, .modelSignature: .metadata
    case .infer, .generate, .predict: .inference
    case .sharedMemory: .sharedMemory
    case .modelConfiguration: .modelConfiguration
    case .repositoryIndex, .repositoryLoad, .repositoryUnload, .plan: .modelRepository
    case .statistics, .metrics, .residents, .governor, .activity: .statistics
    case .trace, .traceSetting: .trace
    case .logging: .logging
    case .notFound, .methodNotAllowed: nil
    }
  }
}
