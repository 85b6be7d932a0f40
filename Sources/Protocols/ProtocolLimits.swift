/// Limits of everything a peer may send that is not configurable; the configurable ones are in `HTTPLimits`.
///
/// Each bounds memory or work that a hostile peer would otherwise choose.
public enum ProtocolLimits {
  /// Nested arrays and objects of a JSON document; the readers recurse at most so deep.
  public static let jsonDepthMax = 64
  /// Values of a document read into a `JSON` tree: a tree node takes tens of bytes where its text may take two.
  public static let jsonNodesMax = 65_536
  /// Bytes of one JSON string that is turned into a `String` (a model's configuration travels as one string).
  public static let jsonStringBytesMax = 1 << 20
  /// Bytes of one JSON number; a shortest round-trip double takes 24.
  public static let jsonNumberBytesMax = 1_024
  /// Segments of a request's path; the longest route has eight.
  public static let pathSegmentsMax = 16
  /// Inputs, and requested outputs, of one inference request.
  public static let tensorsMax = 256
  /// Bytes of the name of a sequence.
  public static let sequenceIDBytesMax = 128
  /// Characters of a peer's text that an error message repeats.
  public static let quotedCharactersMax = 64
}
