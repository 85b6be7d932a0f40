import Protocols
import Runtime
import Tensors

// Bounds on the bytes of the documents, so that they are reserved before they are written. The constants are the text
// around the values and the longest numbers (20 digits), rounded up.

extension String {
  /// Bytes as a JSON string, quotation marks and escapes included.
  var jsonByteCount: Int {
    utf8.reduce(2) { count, byte in
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): count + 2
      case 0..<0x20: count + 6
      default: count + 1
      }
    }
  }
}

extension Sequence<String> {
  fileprivate var jsonBytesMax: Int { reduce(2) { $0 + $1.jsonByteCount + 1 } }
}

extension ModelList {
  var jsonBytesMax: Int { 32 + models.jsonBytesMax }
}

extension ModelMetadata {
  var jsonBytesMax: Int {
    let tensors = (inputs + outputs).reduce(0) { $0 + 80 + $1.name.jsonByteCount + 21 * $1.dimensions.count }
    return 128 + name.jsonByteCount + versions.jsonBytesMax + platform.jsonByteCount + tensors
  }
}

extension RepositoryIndexEntry {
  var jsonBytesMax: Int { 64 + name.jsonByteCount + (version?.jsonByteCount ?? 0) + 16 + reason.jsonByteCount }
}

extension ModelStatus {
  var jsonBytesMax: Int { versions.reduce(64) { $0 + 160 + $1.message.jsonByteCount } }
}

extension TensorSignature {
  var jsonBytesMax: Int {
    (metadata.inputs + metadata.outputs).reduce(320 + metadata.name.jsonByteCount) {
      $0 + 160 + 2 * $1.name.jsonByteCount + 64 * $1.dimensions.count
    }
  }
}

extension ConfigurationDocument {
  var jsonBytesMax: Int {
    var byteCount = 340 + model.name.jsonByteCount + model.configuration.labels.jsonBytesMax
    byteCount += model.configuration.queue.jsonBytesMax + (model.configuration.ensemble?.jsonBytesMax ?? 0)
    byteCount += model.configuration.sequences.map { SequenceConfiguration.State.jsonBytesMax($0.states) } ?? 0
    byteCount += model.configuration.generation.map { SequenceConfiguration.State.jsonBytesMax($0.feedback) } ?? 0
    byteCount += selection.jsonBytesMax
    for port in model.inputs + model.outputs {
      byteCount += 192 + port.name.jsonByteCount + 21 * port.shape.dimensions.count
    }
    return byteCount
  }
}

extension StatisticsDocument {
  var jsonBytesMax: Int {
    rows.reduce(32) { $0 + 1250 + 250 * $1.metrics.batches.count + $1.metrics.model.jsonByteCount }
  }
}
