import Protocols
import Tensors

/// What the daemon says of a model.
public struct ClientModel: Equatable, Sendable {
  public var name: String
  public var versions: [String]
  public var platform: String
  public var inputs: [Port]
  public var outputs: [Port]

  /// An input or output.
  public struct Port: Equatable, Sendable {
    public var name: String
    public var elementType: ElementType
    public var shape: Shape

    /// Bytes of the tensor; nil where a size is open, or larger than any memory.
    public var byteCount: Int? {
      guard let count = shape.checkedElementCount else { return nil }
      let (byteCount, overflow) = count.multipliedReportingOverflow(by: elementType.byteCount)
      return overflow ? nil : byteCount
    }
  }

  /// Reads `GET /v2/models/M`. Errors: members that are missing or of another form.
  init(_ document: JSON) throws(ClientError) {
    guard let name = document["name"]?.string else { throw .unexpected("a model without a name") }
    self.name = name
    versions = (document["versions"]?.array ?? []).compactMap { $0.string }
    platform = document["platform"]?.string ?? ""
    inputs = try ClientModel.ports(document["inputs"])
    outputs = try ClientModel.ports(document["outputs"])
  }

  private static func ports(_ list: JSON?) throws(ClientError) -> [Port] {
    var ports: [Port] = []
    for entry in list?.array ?? [] {
      guard let name = entry["name"]?.string, let type = ElementType(name: entry["datatype"]?.string ?? "") else {
        throw .unexpected("a tensor without a name or with an unknown datatype")
      }
      let dimensions = (entry["shape"]?.array ?? []).compactMap { $0.int.map { Int($0) } }
      ports.append(Port(name: name, elementType: type, shape: Shape(dimensions)))
    }
    return ports
  }
}

/// What the daemon says of itself.
public struct ClientServer: Equatable, Sendable {
  public var name: String
  public var version: String
  public var extensions: [String]
}
