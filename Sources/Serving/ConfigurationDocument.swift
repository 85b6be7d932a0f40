import Protocols
import Runtime
import Tensors

/// `GET /v2/models/M/config`, with the names of Triton's ModelConfig.
struct ConfigurationDocument: JSONWritable {
  let model: LoadedModel
  let selection: VersionSelection

  func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("name", model.name)
    writer.member("platform", model.platform)
    writer.member("backend", model.ensemble == nil ? "thimble" : "")
    selection.write(to: &writer)
    writer.member("max_batch_size", model.configuration.queue.batches.countMax)
    writer.key("response_cache")
    writer.beginObject()
    writer.member("enable", model.configuration.cachesResponses)
    writer.endObject()
    model.configuration.queue.write(to: &writer)
    model.configuration.ensemble?.write(to: &writer)
    model.configuration.sequences?.write(to: &writer)
    model.configuration.generation?.write(to: &writer)
    writePorts("input", model.inputs, to: &writer)
    writePorts("output", model.outputs, to: &writer)
    if model.configuration.periodNanoseconds > 0 {
      writer.key("rate")
      writer.float(Float(1e9 / Double(model.configuration.periodNanoseconds)))
    }
    writer.member("labels", model.configuration.labels)
    writer.endObject()
  }

  private func writePorts(_ name: String, _ ports: [Session.Port], to writer: inout JSONWriter) {
    writer.key(name)
    writer.beginArray()
    for port in ports {
      writer.beginObject()
      writer.member("name", port.name)
      writer.member("data_type", "TYPE_" + port.elementType.name)
      writer.member("dims", port.shape.dimensions)
      if let quantization = port.quantization {
        writer.key("thimble_quantization")
        writer.beginObject()
        writer.key("scale")
        writer.float(quantization.scale)
        writer.member("zero_point", Int(quantization.zeroPoint))
        writer.endObject()
      }
      writer.endObject()
    }
    writer.endArray()
  }
}
