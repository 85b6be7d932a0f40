/// What a model file may ask for at most; a file beyond it is refused before anything large is allocated.
enum ImportLimits {
  /// Bytes of one tensor.
  static let tensorBytesMax = 1 << 31
  /// Bytes of all packed weights and constants: packing pads, so that a small file may grow; a large one hardly does.
  static func payloadBytesMax(fileBytes: Int) -> Int { max(64 << 20, 8 * fileBytes) }
  /// Bytes of a name that are kept.
  static let nameBytesMax = 255
  /// Largest window, stride or dilation along one axis.
  static let windowExtentMax = 1 << 16
}
