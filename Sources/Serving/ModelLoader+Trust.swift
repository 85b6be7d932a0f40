#if THIMBLE_SIGNATURES
  import Memory
  import Signatures
  import System

  extension ModelLoader {
    /// Checks the signature beside a model's file, if the server is told to. `status` is the file's, from before it is read; `holding`
    /// as in `load`. Errors: nobody who is trusted has signed it.
    func checkSignature(_ file: borrowing File, _ status: FileStatus, holding: Int) throws(ServingError) {
      guard let trusted = directory.trustedKeys else { return }
      let working = try residents.reserve(FileCheck.byteCount, for: .buffers, holding: holding)
      do throws(SignatureError) {
        let signature = try signature(of: file.path)
        try FileCheck().check(file, byteCount: status.byteCount, signature, by: trusted)
      } catch {
        if case .system(let error) = error { throw .repository(error) }
        throw .untrusted(path: file.path, reason: error.message)
      }
      withExtendedLifetime(working) {}
    }

    private func signature(of path: String) throws(SignatureError) -> Signature {
      let file: File
      do { file = try directory.open(Signature.path(of: path)) } catch {
        throw error.isNotFound ? .missing : .system(error)
      }
      return try Signature(reading: file)
    }

    /// What is loaded stays what was signed, until it is unloaded. Errors: the file has changed since it was checked.
    func keepSigned(_ model: LoadedModel) throws(ServingError) {
      guard directory.trustedKeys != nil else { return }
      do throws(SystemError) {
        if try FileIdentity(model.opened.status()) == model.file {
          model.isSigned = true
          return
        }
      } catch {
        residents.retire(model)
        throw .repository(error)
      }
      residents.retire(model)
      throw .untrusted(
        path: model.opened.path, reason: "it was written to while it was loaded: replace files by renaming")
    }
  }

  extension LoadedModel {
    /// Asked before it wakes. Errors: it was signed, and its file has been written to since.
    func checkSigned() throws(ServingError) {
      guard isSigned else { return }
      guard let status = try? opened.status(), FileIdentity(status) == file else { throw .modelChanged(model: name) }
    }
  }
#endif
