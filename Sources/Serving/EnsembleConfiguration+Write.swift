import Protocols

extension EnsembleConfiguration {
  /// The member `ensemble_scheduling` of a model's configuration.
  func write(to writer: inout JSONWriter) {
    writer.key("ensemble_scheduling")
    writer.beginObject()
    writer.key("step")
    writer.beginArray()
    for step in steps {
      writer.beginObject()
      writer.member("model_name", step.modelName)
      writer.member("model_version", step.version ?? -1)
      write("input_map", step.inputMap, to: &writer)
      write("output_map", step.outputMap, to: &writer)
      writer.endObject()
    }
    writer.endArray()
    writer.endObject()
  }

  private func write(_ name: String, _ map: [Mapping], to writer: inout JSONWriter) {
    writer.key(name)
    writer.beginObject()
    for mapping in map { writer.member(mapping.port, mapping.tensor) }
    writer.endObject()
  }

  var jsonBytesMax: Int {
    steps.reduce(64) {
      ($1.inputMap + $1.outputMap).reduce($0 + 128 + $1.modelName.jsonByteCount) {
        $0 + 2 + $1.port.jsonByteCount + $1.tensor.jsonByteCount
      }
    }
  }
}
