import Protocols
import Runtime
import Tensors

extension Server {
  var metadata: ServerMetadata {
    ServerMetadata(
      name: "thimble", version: configuration.version,
      extensions: [
        "binary_tensor_data", "classification", "logging", "model_configuration", "model_repository",
        "model_repository(unload_dependents)", "parameters", "schedule_policy", "statistics", "system_shared_memory",
        "trace",
      ])
  }

  func metadata(of model: LoadedModel) -> ModelMetadata {
    let versions = repository.loaded(model.name).reversed().map { "\($0.version)" }
    return ModelMetadata(
      name: model.name, versions: versions, platform: model.platform,
      inputs: model.inputs.map { $0.metadata }, outputs: model.outputs.map { $0.metadata })
  }

  /// The statistics of a model's loaded version, of all of its loaded versions, or of all models.
  func statistics(_ reference: ModelReference?) throws(ServingError) -> StatisticsDocument {
    var models = repository.loadedModels
    if let reference {
      let model = try repository.model(reference)
      models = reference.version == nil ? repository.loaded(model.name).reversed() : [model]
    }
    return StatisticsDocument(rows: models.map { .init(metrics: metrics(of: $0), byteCount: $0.byteCount) })
  }

  /// Counters live as long as the server, however often a model is unloaded and loaded again.
  func metrics(of model: LoadedModel) -> ModelMetrics {
    if let found = metrics.first(where: { $0.version == model.version && $0.model == model.name }) { return found }
    let new = ModelMetrics(model: model.name, version: model.version)
    metrics.append(new)
    return new
  }
}

extension Session.Port {
  var metadata: TensorMetadata { .init(name: name, elementType: elementType, dimensions: shape.dimensions) }
}
