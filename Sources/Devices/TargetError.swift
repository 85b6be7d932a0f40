import Protocols
import System

/// Why there is no target where one was asked for, or a file is none.
public enum TargetError: Error, Sendable {
  case system(SystemError)
  /// A name that is no plain component of a path.
  case badName(String)
  /// No file for the target; and the targets that there are.
  case unknown(name: String, directory: String, known: [String])
  /// No power profile of that name; and those that there are.
  case unknownProfile(name: String, directory: String, known: [String])
  case malformed(path: String, ProtocolError)
  /// A member that has another form than it should.
  case invalid(path: String, member: String, expected: String)
  case nothingLeft(target: String, totalByteCount: Int, reservedByteCount: Int)

  public var message: String {
    switch self {
    case .system(let error): error.message
    case .badName(let name): "a name is letters, digits, dots and dashes, as its file has it, not \(name)"
    case .unknown(let name, let directory, let known):
      "there is no target \(name) in \(directory)"
        + (known.isEmpty ? "; --targets names the folder that has it" : ": it has " + TargetError.list(known))
    case .unknownProfile(let name, let directory, let known):
      "there is no power profile \(name) in \(directory): there are " + TargetError.list(known)
    case .malformed(let path, let error): "\(path): \(error.message)"
    case .invalid(let path, _, _): path + ": " + reason
    case .nothingLeft(let target, let total, let reserved):
      "target \(target) leaves \(reserved) bytes for the GPU, which is all of this machine's \(total): give --memory-budget, or "
        + "another --target"
    }
  }

  /// What is wrong with a member, without its file; the whole message for anything else.
  var reason: String {
    if case .invalid(_, let member, let expected) = self { member + " must be " + expected } else { message }
  }

  private static func list(_ names: [String]) -> String {
    var text = ""
    for name in names { text += (text.isEmpty ? "" : ", ") + name }
    return text
  }
}
