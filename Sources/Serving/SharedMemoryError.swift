import Protocols
import System

/// Why a region of shared memory is not registered, or a tensor in one not read or written. Names are those of clients.
public enum SharedMemoryError: Error, Equatable, Sendable {
  case unknown(region: String)
  case nameTaken(region: String)
  case nameTooLong(limit: Int)
  case sizeZero
  /// The key is not one component of a path.
  case keyInvalid(String)
  case keyMissing
  /// The kernel does not say who asks: over TCP.
  case userUnknown
  case notOpened(SystemError)
  case notRegular(key: String)
  case notOwned(key: String)
  case tooShort(neededByteCount: Int, byteCount: Int)
  case noDescriptor
  case notSealable
  case notSealed
  case tooMany(limit: Int)
  case tooManyBytes(limit: Int)
  case outOfRange(tensor: String, region: String, byteCount: Int)
  case outputTooLarge(output: String, neededByteCount: Int, byteCount: Int)
  case notWritable(region: String)
  /// Pages were gone when they were wanted.
  case cutOff(region: String)

  var status: HTTPStatus {
    switch self {
    case .unknown: .notFound
    case .notOwned, .userUnknown: .forbidden
    case .tooMany, .tooManyBytes: .insufficientStorage
    // All else that opening meets is the client's doing.
    case .notOpened(let error) where error.isShortage: .serviceUnavailable
    default: .badRequest
    }
  }

  var message: String {
    switch self {
    case .unknown(let region):
      "no shared memory region \(ServingError.quoted(region)) is registered here for this client"
    case .nameTaken(let region):
      "shared memory region \(ServingError.quoted(region)) is registered already: unregister it first"
    case .nameTooLong(let limit): "a region's name has at most \(limit) bytes"
    case .sizeZero: "byte_size must be at least 1"
    case .keyInvalid(let key):
      "key \(ServingError.quoted(key)) must be the name of an object in \(SharedRegions.directory): one name without slashes"
    case .keyMissing: "\"request\" has no \"key\": add it"
    case .userUnknown: "shared memory needs a client whose user is known: connect to the Unix socket"
    case .notOpened(let error): openingMessage(error)
    case .notRegular(let key): "shared memory object \(ServingError.quoted(key)) is no regular file"
    case .notOwned(let key): "shared memory object \(ServingError.quoted(key)) belongs to another user than the client"
    case .tooShort(let needed, let actual):
      "the shared memory object has \(actual) bytes where offset and byte_size ask for \(needed)"
    case .noDescriptor: "no descriptor came with the request: pass a memfd with its first bytes (SCM_RIGHTS)"
    case .notSealable:
      "the descriptor is no memfd of ordinary pages that is open for reading: make one with memfd_create"
    case .notSealed: "the memfd may still be cut off: seal it with F_SEAL_SHRINK"
    default: useMessage
    }
  }

  private func openingMessage(_ error: SystemError) -> String {
    switch error.code {
    case SystemError.tooManyLinks: "\(error.subject) is a symbolic link: give the object itself"
    case SystemError.notSupported: "\(error.subject) is not in memory: make it with shm_open"
    case SystemError.accessDenied:
      "\(error.message): let the server's user read and write it, or pass a memfd to /v2/thimble/memory"
    default: error.message
    }
  }

  private var useMessage: String {
    switch self {
    case .tooMany(let limit): "\(limit) shared memory regions are registered already: unregister some"
    case .tooManyBytes(let limit):
      "shared memory regions may take \(limit) bytes in all, half of the memory budget: unregister some, or give a "
        + "larger --memory-budget"
    case .outOfRange(let tensor, let region, let count):
      "tensor \(ServingError.quoted(tensor)) lies outside of shared memory region \(ServingError.quoted(region)), which has "
        + "\(count) bytes"
    case .outputTooLarge(let output, let needed, let actual):
      "output \(output) takes \(needed) bytes, but shared_memory_byte_size is \(actual)"
    case .notWritable(let region):
      "shared memory region \(ServingError.quoted(region)) may not be written to: outputs need one that may"
    case .cutOff(let region):
      "shared memory region \(ServingError.quoted(region)) was cut off, or no memory was left for it: register it anew"
    default: ""
    }
  }
}
