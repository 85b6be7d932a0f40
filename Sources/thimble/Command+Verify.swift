#if THIMBLE_SIGNATURES
  import Signatures
  import System

  extension Command {
    static let verify = Command(
      name: "verify", positionals: "FILE",
      summary: "check a file's signature (FILE.minisig), as serve --trusted-key does",
      details: "One line and exit status 0 where a key in the file of --key has signed it, else the reason and 1.",
      options: [Option("key", "FILE", "minisign public keys; may be repeated")],
      run: runVerify)

    private static func runVerify(_ arguments: Arguments) throws(CommandError) {
      let path = try arguments.onlyPositional("file")
      guard let trusted = try Engine.trustedKeys(arguments, "key") else {
        throw .usage("--key is needed; `thimble verify --help` says more")
      }
      let key: KeyIdentifier
      do throws(SignatureError) { key = try verify(path, by: trusted) } catch {
        throw .failure(error.isSystem ? error.message : "\(path): \(error.message)")
      }
      Console.line("\(path): signed with the key \(key.text)")
    }

    private static func verify(_ path: String, by trusted: TrustedKeys) throws(SignatureError) -> KeyIdentifier {
      let file: File
      do { file = try File(reading: path) } catch { throw .system(error) }
      let status: FileStatus
      do { status = try file.status() } catch { throw .system(error) }
      let beside: File
      do { beside = try File(reading: Signature.path(of: path)) } catch {
        throw error.isNotFound ? .missing : .system(error)
      }
      let signature = try Signature(reading: beside)
      try FileCheck().check(file, byteCount: status.byteCount, signature, by: trusted)
      return signature.key
    }
  }
#endif
