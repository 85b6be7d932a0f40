import System

/// What loading a model takes of the budget besides the model itself.
struct ModelClaims: Sendable {
  /// Whole pages that its labels take as long as it is loaded.
  var labelsByteCount = 0
  /// Taken while its configuration is parsed, before all else.
  var parsingByteCount = 0
  /// Held by the request until the model is loaded.
  var requestByteCount = 0
  /// Whether the descriptions of its inputs and outputs are not held yet.
  var describesPorts = false

  /// For a model that has been loaded before.
  init(requestByteCount: Int) { self.requestByteCount = requestByteCount }

  init(_ configuration: ModelConfiguration, parsingByteCount: Int, requestByteCount: Int = 0) {
    labelsByteCount = Mapping.roundedToPages(
      LoadedModel.labelsByteCount(configuration.labels) + configuration.selection.byteCount)
    self.parsingByteCount = parsingByteCount
    self.requestByteCount = requestByteCount
    describesPorts = true
  }

  /// Of a model that is loaded: labels and descriptions are held already.
  mutating func hold() {
    parsingByteCount = preparingByteCount
    labelsByteCount = 0
    describesPorts = false
  }

  /// Held while the session is made.
  var heldByteCount: Int { labelsByteCount + requestByteCount }
  /// What parsing takes more than what is held later.
  var preparingByteCount: Int { max(0, parsingByteCount - labelsByteCount) }
}
