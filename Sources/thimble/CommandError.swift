/// Why a command ends early: what to say, and the exit status.
struct CommandError: Error {
  let message: String
  let status: Int32

  /// The command line is wrong (status 2, as Unix tools have it).
  static func usage(_ message: String) -> CommandError { CommandError(message: message, status: 2) }
  /// What was asked for could not be done.
  static func failure(_ message: String) -> CommandError { CommandError(message: message, status: 1) }
}
