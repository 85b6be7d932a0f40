import Memory
import Protocols
import System

@testable import Serving

/// Registering memory, and naming places in it.
enum SharedMemoryTargets {
  private static let budget = MemoryBudget(limitByteCount: 8 << 20)
  private static let regions = SharedRegions(budget: budget)
  private static let client = SharedRegions.Client(user: 0, connection: 1)
  /// Of three pages less a byte, sealed as the server wants it.
  private static let file = try! File(sealedInMemory: "fuzz", byteCount: 3 * 4096 - 1)

  /// Two bytes that say how many belong to the registration's body; the rest are 8 bytes of an offset and 8 of a size of a place
  /// in the region.
  static func region(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 18 else { return }
    let place = UnsafeRawBufferPointer(rebasing: bytes[..<16])
    let body = UnsafeRawBufferPointer(rebasing: bytes[16...])
    let request: SharedMemoryRequest
    do throws(ProtocolError) { request = try SharedMemoryRequest(parsing: body) } catch {
      precondition(!error.message.isEmpty)
      return
    }
    let before = budget.reservedByteCount
    do throws(ServingError) {
      try regions.register("r", request, passed: file, for: client)
    } catch {
      precondition(!error.message.isEmpty && budget.reservedByteCount == before)
      return
    }
    touch(place, request)
    regions.unregister(.passed, nil, for: client)
    precondition(regions.count == 0 && budget.reservedByteCount == before)
  }

  private static func touch(_ place: UnsafeRawBufferPointer, _ request: SharedMemoryRequest) {
    let offset = Int(truncatingIfNeeded: place.loadUnaligned(as: UInt64.self))
    let count = Int(truncatingIfNeeded: place.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    do throws(SharedMemoryError) {
      let region = try regions.region("r", for: client)
      let bytes = try region.bytes(
        SharedMemoryReference(region: "r", offset: offset, byteCount: count), count: count, of: "x")
      precondition(bytes.count == count && offset + count <= request.byteCount)
      if let last = bytes.indices.last {
        bytes[0] = 1
        bytes[last] = 2
      }
      try region.check()
    } catch {
      precondition(!error.message.isEmpty)
    }
  }
}
