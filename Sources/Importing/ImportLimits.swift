import ModelFile

/// What a model file may ask for at most; a file beyond it is refused before anything large is allocated.
enum ImportLimits {
  /// Bytes of one tensor.
  static let tensorBytesMax = 1 << 31
  /// Bytes of all packed weights and constants: packing pads, so that a small file may grow; a large one hardly does.
  static func payloadBytesMax(fileBytes: Int) -> Int { max(64 << 20, 8 * fileBytes) }
  /// Bytes of all convolutions' channels.
  static func channelBytesMax(payloadBytesMax: Int) -> Int { payloadBytesMax / 8 + (64 << 10) }
  static let tensorCountMax = ModelLimits.tensorCountMax
  static let operatorCountMax = ModelLimits.operatorCountMax
  static let bufferCountMax = ModelLimits.blobCountMax
  /// Bytes of memory that one tensor's shapes and allocations take, that one operator or output takes with the graph's
  /// operators and tables made of it, and that one operand takes with the region that copies it.
  static let tensorRecordBytes = 512
  static let operatorRecordBytes = 1536
  static let operandRecordBytes = 448
  /// Bytes of memory that a convolution's channel takes.
  static let channelRecordBytes = 16
  /// Bytes of a name that are kept.
  static let nameBytesMax = 255
  /// Largest window, stride or dilation along one axis.
  static let windowExtentMax = 1 << 16
}
